"""The entries of the log with the rows they record, in order and some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, FromClause, Row, select

from rostra.arena.votes.models import (
    Answer,
    Battle,
    LogEntry,
    Turn,
    TurnImage,
    Vote,
    VoteReasons,
)

CHUNK = 200
"""Entries read at a time, with all texts of their battles."""
_WITHOUT_DATA = [column for column in TurnImage.__table__.c if column.name != "data"]


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry, and what the tables hold now of what it records. Rows have the attributes of
    `rostra.arena.votes.models`."""

    entry: Row[Any]
    battle: Row[Any] | None
    turns: Sequence[Row[Any]]
    """By number."""
    answers: Sequence[Row[Any]]
    """By turn, side and attempt."""
    images: Sequence[Row[Any]]
    """By turn and number, without their data; see `image_data`."""
    vote: Row[Any] | None
    reasons: Row[Any] | None


def logged(connection: Connection, after: int = 0) -> Iterator[Logged]:
    """Entries by seq, from the one after `after`. Of one moment if the transaction is."""
    entries = select(LogEntry.__table__).order_by(LogEntry.seq).limit(CHUNK)
    while part := connection.execute(entries.where(LogEntry.seq > after)).all():
        ids = list({entry.battle_id for entry in part})
        battles = _first(_rows(connection, Battle.__table__, "id", ids))
        votes = _first(_rows(connection, Vote.__table__, "battle_id", ids))
        reasons = _first(_rows(connection, VoteReasons.__table__, "battle_id", ids))
        turns = _rows(connection, Turn.__table__, "battle_id", ids, "number")
        answers = _rows(
            connection, Answer.__table__, "battle_id", ids, "turn", "side", "attempt", "id"
        )
        images = _images(connection, ids)
        for entry in part:
            battle = entry.battle_id
            yield Logged(
                entry=entry,
                battle=battles.get(battle),
                turns=turns.get(battle, ()),
                answers=answers.get(battle, ()),
                images=images.get(battle, ()),
                vote=votes.get(battle),
                reasons=reasons.get(battle),
            )
        after = part[-1].seq


def image_data(connection: Connection, image: Row[Any]) -> bytes:
    """The file of one of `Logged.images`."""
    table = TurnImage.__table__
    places = (table.c[name] == getattr(image, name) for name in ("battle_id", "turn", "number"))
    return bytes(connection.execute(select(table.c.data).where(*places)).scalar_one())


def _images(connection: Connection, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    rows: dict[str, list[Row[Any]]] = {}
    table = TurnImage.__table__
    query = select(*_WITHOUT_DATA).where(table.c.battle_id.in_(ids))
    for row in connection.execute(query.order_by(table.c.turn, table.c.number)):
        rows.setdefault(row.battle_id, []).append(row)
    return rows


def _rows(
    connection: Connection, table: FromClause, key: str, ids: Sequence[str], *order: str
) -> dict[str, list[Row[Any]]]:
    rows: dict[str, list[Row[Any]]] = {}
    query = select(table).where(table.c[key].in_(ids)).order_by(*(table.c[each] for each in order))
    for row in connection.execute(query):
        rows.setdefault(getattr(row, key), []).append(row)
    return rows


def _first(rows: dict[str, list[Row[Any]]]) -> dict[str, Row[Any]]:
    return {key: found for key, (found, *_) in rows.items()}
