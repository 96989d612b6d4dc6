"""Campaigns, modes, attempts, reasons and tags; the log, which begins with the votes there are."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from rostra.arena.votes.log.bodies import vote_body
from rostra.arena.votes.log.canonical import canonical
from rostra.arena.votes.log.chain import GENESIS, HEAD, envelope, link
from rostra.arena.votes.models import UtcDateTime

revision = "0002"
down_revision = "0001"

CHUNK = 1_000
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNIQUE = "answers_battle_id_turn_side_key"
"""The name that PostgreSQL gave to the constraint; on SQLite it gets it from `_NAMES`."""
_NAMES = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}


def upgrade() -> None:
    connection = op.get_bind()
    _add_columns()
    _make_salts(connection)
    _constrain()
    _make_tables()
    _make_log(connection)


def _add_columns() -> None:
    op.add_column(
        "battles",
        sa.Column("campaign", sa.String(64), nullable=False, server_default="default"),
    )
    op.add_column(
        "battles", sa.Column("mode", sa.String(16), nullable=False, server_default="battle")
    )
    op.add_column("battles", sa.Column("matchmaking", sa.JSON()))
    op.add_column("battles", sa.Column("text_salt", sa.LargeBinary(16)))
    op.add_column(
        "answers", sa.Column("attempt", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )


def _make_salts(connection: sa.Connection) -> None:
    battles = sa.table("battles", sa.column("id"), sa.column("text_salt"))
    unsalted = sa.select(battles.c.id).where(battles.c.text_salt.is_(None)).limit(CHUNK)
    statement = (
        sa.update(battles)
        .where(battles.c.id == sa.bindparam("battle"))
        .values(text_salt=sa.bindparam("salt", type_=sa.LargeBinary()))
    )
    while ids := connection.scalars(unsalted).all():
        connection.execute(
            statement, [{"battle": each, "salt": secrets.token_bytes(16)} for each in ids]
        )


def _constrain() -> None:
    # SQLite makes the tables anew for this, and forgets the checks that are not named here.
    with op.batch_alter_table("battles") as battles:
        battles.alter_column("campaign", server_default=None)
        battles.alter_column("mode", server_default=None)
        battles.alter_column("text_salt", existing_type=sa.LargeBinary(16), nullable=False)
        battles.alter_column("contestant_b", existing_type=sa.String(200), nullable=True)
        battles.alter_column("settings_b", existing_type=sa.JSON(), nullable=True)
        battles.create_index("ix_battles_campaign", ["campaign"])
        battles.create_check_constraint(
            "battle_mode", "mode IN ('battle', 'side_by_side', 'direct')"
        )
        battles.create_check_constraint(
            "battle_contestants", "(mode = 'direct') = (contestant_b IS NULL)"
        )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table(
        "answers",
        naming_convention=_NAMES,
        table_args=(sa.CheckConstraint("side IN ('a', 'b')", name="answer_side"),)
        if on_sqlite
        else (),
    ) as answers:
        answers.alter_column("attempt", server_default=None)
        answers.drop_constraint(_UNIQUE, type_="unique")
        answers.create_unique_constraint("answer_attempt", ["battle_id", "turn", "side", "attempt"])


def _make_tables() -> None:
    op.create_table(
        "vote_reasons",
        sa.Column("battle_id", sa.String(32), sa.ForeignKey("votes.battle_id"), primary_key=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "battle_tags",
        sa.Column("battle_id", sa.String(32), sa.ForeignKey("battles.id"), primary_key=True),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("by", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    op.create_table(
        "log_entries",
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("battle_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("battle_id", "kind", name="log_entry_once"),
        sa.CheckConstraint("kind IN ('vote', 'reasons', 'import')", name="log_entry_kind"),
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", _BIG, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
        sa.Column("public_key", sa.LargeBinary(32), primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signature", sa.LargeBinary(64), nullable=False),
    )


def _make_log(connection: sa.Connection) -> None:
    """The votes that were cast without a log, by time: vouched for from now on, not before."""
    entries = _table("log_entries", "seq kind battle_id body hash", "at")
    seq, head = 0, GENESIS
    for votes in _votes(connection):
        ids = [vote.battle_id for vote in votes]
        turns = _by_battle(connection, _turns, ids, ["number"])
        answers = _by_battle(connection, _answers, ids, ["turn", "side", "attempt"])
        rows = []
        for vote in votes:
            seq, battle = seq + 1, vote.battle_id
            questions, answered = turns.get(battle, ()), answers.get(battle, ())
            # The form of bodies of the tables as they were then.
            content = vote_body(vote, questions, answered, vote, version=1)
            place = envelope(seq, "vote", battle, vote.at, version=1)
            body = canonical({**place, **content})
            head = link(head, body)
            columns = {"seq": seq, "kind": "vote", "battle_id": battle, "at": vote.at}
            rows.append({**columns, "body": body, "hash": head})
        connection.execute(sa.insert(entries), rows)
    connection.execute(
        sa.insert(sa.table("log_head", *map(sa.column, ("id", "seq", "hash")))),
        {"id": HEAD, "seq": seq, "hash": head},
    )


def _table(name: str, columns: str, times: str, json: str = "") -> sa.TableClause:
    return sa.table(
        name,
        *map(sa.column, columns.split()),
        *(sa.column(each, UtcDateTime()) for each in times.split()),
        *(sa.column(each, sa.JSON()) for each in json.split()),
    )


_battles = sa.table(
    "battles",
    *map(sa.column, "id campaign mode voter contestant_a contestant_b text_salt".split()),
    *(sa.column(each, sa.Boolean()) for each in ("failed", "identity_revealed")),
    *(sa.column(each, sa.JSON()) for each in ("settings_a", "settings_b", "matchmaking")),
    sa.column("created_at", UtcDateTime()),
)
_turns = _table("turns", "battle_id number prompt", "asked_at")
_answers = _table(
    "answers",
    "battle_id turn side attempt text error finish_reason model_revision prompt_tokens "
    "completion_tokens first_text_seconds seconds",
    "ended_at",
)
_cast = _table("votes", "battle_id outcome turns", "at")


def _votes(connection: sa.Connection) -> Iterator[Sequence[sa.Row[Any]]]:
    """Votes with their battles, by time, some at a time."""
    votes = sa.select(_cast, *(each for each in _battles.c if each.name != "id"))
    votes = votes.join_from(_cast, _battles, _battles.c.id == _cast.c.battle_id)
    place = sa.tuple_(_cast.c.at, _cast.c.battle_id)
    votes = votes.order_by(_cast.c.at, _cast.c.battle_id).limit(CHUNK)
    part = connection.execute(votes).all()
    while part:
        yield part
        part = connection.execute(votes.where(place > (part[-1].at, part[-1].battle_id))).all()


def _by_battle(
    connection: sa.Connection, table: sa.TableClause, ids: Sequence[str], order: Sequence[str]
) -> dict[str, list[sa.Row[Any]]]:
    rows: dict[str, list[sa.Row[Any]]] = {}
    query = sa.select(table).where(table.c.battle_id.in_(ids))
    for row in connection.execute(query.order_by(*(table.c[each] for each in order))):
        rows.setdefault(row.battle_id, []).append(row)
    return rows
