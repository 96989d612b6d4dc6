"""The steps of a battle as they are written, each in a transaction of its caller.

Statements and no objects of the ORM: under load the arena is bound by what its process computes,
and a round is written in five steps. What a step depends on is read after the battle's row is
locked, in a statement of its own: on PostgreSQL each sees what was committed before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from rostra.arena.contestant import Contestant
from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Side
from rostra.arena.votes.entitlement import belongs, digest, refused, sides, votable
from rostra.arena.votes.log.bodies import reasons_body, vote_body
from rostra.arena.votes.log.chain import Chain
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.models import Answer, Battle, Turn, TurnImage, Vote, VoteReasons
from rostra.arena.votes.records import (
    EndedAnswer,
    Mode,
    Outcome,
    ReasonTag,
    StoredReasons,
    StoredVote,
    Ticket,
)
from rostra.arena.votes.stored import newest, stored_reasons, stored_vote, turn_images
from rostra.arena.votes.texts import storable
from rostra.arena.votes.voters import pseudonym


def _table(model: type[Any]) -> Table:
    table: Table = model.__table__
    return table


_BATTLES, _TURNS, _IMAGES = _table(Battle), _table(Turn), _table(TurnImage)
_ANSWERS, _VOTES, _REASONS = _table(Answer), _table(Vote), _table(VoteReasons)
_ID: BindParameter[str] = bindparam("battle")
_WHOLE = select(_BATTLES).where(_BATTLES.c.id == _ID).with_for_update()
_STANDING = (
    select(
        *(_BATTLES.c[name] for name in ("id", "token_sha256", "mode", "failed")),
        *(_BATTLES.c[name] for name in ("identity_revealed", "text_salt")),
    )
    .where(_BATTLES.c.id == _ID)
    .with_for_update()
)
"""All of a battle that is no settings."""
_VOTE = select(_VOTES).where(_VOTES.c.battle_id == _ID)
_SO_FAR = select(
    select(func.count()).where(_TURNS.c.battle_id == _ID).scalar_subquery().label("turns"),
    _VOTE.with_only_columns(_VOTES.c.outcome).scalar_subquery().label("outcome"),
)
_QUESTIONS = select(_TURNS).where(_TURNS.c.battle_id == _ID).order_by(_TURNS.c.number)
_SHOWN = (
    select(*(column for column in _IMAGES.c if column.name != "data"))
    .where(_IMAGES.c.battle_id == _ID)
    .order_by(_IMAGES.c.turn, _IMAGES.c.number)
)
_ANSWERED = (
    select(_ANSWERS)
    .where(_ANSWERS.c.battle_id == _ID)
    .order_by(_ANSWERS.c.turn, _ANSWERS.c.side, _ANSWERS.c.attempt)
)
_ENDINGS = _ANSWERED.with_only_columns(
    *(_ANSWERS.c[name] for name in ("turn", "side", "attempt", "error"))
)
_MARK = update(_BATTLES).where(_BATTLES.c.id == _ID)
_GIVEN = select(_REASONS).where(_REASONS.c.battle_id == _ID)


def now() -> datetime:
    return datetime.now(UTC)


def open_battle(
    connection: Connection,
    ticket: Ticket,
    a: Contestant,
    b: Contestant | None,
    prompt: str,
    voter: str,
    *,
    campaign: str,
    mode: Mode,
    matchmaking: Mapping[str, Any] | None,
    consent_sha256: bytes | None,
    groups: Collection[str],
    images: Sequence[Picture],
) -> None:
    at = now()
    battle = {
        "id": ticket.battle_id,
        "created_at": at,
        "voter": pseudonym(connection, voter, at.date()),
        "token_sha256": digest(ticket.token),
        "campaign": campaign,
        "mode": mode,
        "contestant_a": a.name,
        "contestant_b": b and b.name,
        "settings_a": a.snapshot(),
        "settings_b": b and b.snapshot(),
        "matchmaking": None if matchmaking is None else dict(matchmaking),
        "consent_sha256": consent_sha256,
        "voter_groups": sorted(groups) or None,
    }
    connection.execute(insert(_BATTLES), battle)
    _add_turn(connection, ticket, 0, prompt, images, at)


def add_turn(
    connection: Connection, ticket: Ticket, number: int, prompt: str, images: Sequence[Picture]
) -> None:
    belongs(_one(connection, _STANDING, ticket.battle_id), ticket)
    so_far = connection.execute(_SO_FAR, {"battle": ticket.battle_id}).one()
    if so_far.outcome is not None:
        raise refused(ticket, "This round has been voted on. Take a new pair to go on.")
    if number != so_far.turns:
        raise refused(ticket, "This question has been asked already.")
    _add_turn(connection, ticket, number, prompt, images, now())


def end_answer(
    connection: Connection,
    battle_id: str,
    turn: int,
    side: Side,
    answer: EndedAnswer,
    identity_revealed: bool,
    attempt: int,
) -> None:
    battle = connection.execute(_STANDING, {"battle": battle_id}).one()
    so_far = connection.execute(_SO_FAR, {"battle": battle_id}).one()
    if so_far.outcome is not None or is_redacted(battle):
        raise refused(Ticket(battle_id, ""), "This round is over.")
    if turn >= so_far.turns or side not in sides(battle):
        raise ValueError(f"battle {battle_id} has no answer {side!r} to turn {turn}")
    fields = {name: _fitting(name, value) for name, value in asdict(answer).items()}
    place = {"battle_id": battle_id, "turn": turn, "side": side, "attempt": attempt}
    connection.execute(insert(_ANSWERS), {**place, **fields, "ended_at": now()})
    failed = battle.failed
    if failed or answer.error is not None:
        endings = connection.execute(_ENDINGS, {"battle": battle_id}).all()
        failed = any(each.error is not None for each in newest(endings))
    revealed = battle.identity_revealed or identity_revealed
    if (failed, revealed) != (battle.failed, battle.identity_revealed):
        marks = _MARK.values(failed=failed, identity_revealed=revealed)
        connection.execute(marks, {"battle": battle_id})


def vote(connection: Connection, ticket: Ticket, outcome: Outcome) -> tuple[StoredVote, bool]:
    """The vote that stands, and whether it is new."""
    battle = belongs(_one(connection, _WHOLE, ticket.battle_id), ticket)
    of = {"battle": battle.id}
    if (stands := connection.execute(_VOTE, of).one_or_none()) is not None:
        if stands.outcome != outcome:
            raise refused(ticket, "You have voted on this round already; your first vote stands.")
        return stored_vote(stands), False
    turns = connection.execute(_QUESTIONS, of).all()
    answers = connection.execute(_ANSWERED, of).all()
    votable(battle, turns, answers, ticket)
    images = connection.execute(_SHOWN, of).all()
    with Chain(connection) as chain:
        cast = Vote(battle_id=battle.id, outcome=outcome, turns=len(turns), at=now())
        content = vote_body(battle, turns, answers, cast, images=images)
        connection.execute(insert(_VOTES), _values(cast, _VOTES))
        chain.append("vote", battle.id, cast.at, content)
    return stored_vote(cast), True


def give_reasons(
    connection: Connection, ticket: Ticket, tags: list[ReasonTag], comment: str | None
) -> StoredReasons:
    battle = belongs(_one(connection, _STANDING, ticket.battle_id), ticket)
    of = {"battle": battle.id}
    if connection.execute(_VOTE, of).one_or_none() is None:
        raise refused(ticket, "Vote first, then say why.")
    if (stand := connection.execute(_GIVEN, of).one_or_none()) is not None:
        if (stand.tags, stand.comment) != (tags, comment):
            raise refused(ticket, "You have given your reasons already; they stand.")
        return stored_reasons(stand)
    with Chain(connection) as chain:
        given = VoteReasons(battle_id=battle.id, tags=tags, comment=comment, at=now())
        connection.execute(insert(_REASONS), _values(given, _REASONS))
        chain.append("reasons", battle.id, given.at, reasons_body(battle.text_salt, given))
    return stored_reasons(given)


def _one(connection: Connection, query: Any, battle_id: str) -> Row[Any] | None:
    """Nobody else's until the transaction ends."""
    return connection.execute(query, {"battle": storable(battle_id)}).one_or_none()


def _add_turn(
    connection: Connection,
    ticket: Ticket,
    number: int,
    prompt: str,
    images: Sequence[Picture],
    at: datetime,
) -> None:
    turn = {"battle_id": ticket.battle_id, "number": number}
    connection.execute(insert(_TURNS), {**turn, "prompt": storable(prompt), "asked_at": at})
    if images:
        connection.execute(insert(_IMAGES), turn_images(ticket.battle_id, number, images))


def _values(row: Any, table: Table) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in table.c}


def _fitting(name: str, value: Any) -> Any:
    """A field of an answer, as its column can hold it: the gateway may say anything."""
    if not isinstance(value, str):
        return value
    return storable(value)[: getattr(_ANSWERS.c[name].type, "length", None)]
