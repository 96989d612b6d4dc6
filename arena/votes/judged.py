"""Votes of people and verdicts of judges in the store, each order of the answers by itself.

A verdict in the store is what a judge said of both orders together; what it said of each is beside
it, and only that tells whether the order swayed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.frame import SCHEMA
from rostra.arena.votes.database import open_existing, snapshot
from rostra.arena.votes.models import Battle, ImportedBattle, Turn, Vote

COLUMNS = ("left", "right", "outcome", "voter", "judge", "prompt", "turn", "category")
CHUNK = 5_000
_LEFT, _RIGHT = "_left", "_right"


def judged_votes(url: str) -> pl.DataFrame:
    """Blind votes and verdicts of the store as a vote frame of `COLUMNS`.

    `prompt` is a hash of the questions that were read, `turn` their number; where the texts are not
    known, what an import called the question.

    Raises ArenaError where there is no store, or it cannot be read.
    """
    engine = open_existing(
        url,
        "0 votes to compare in {store}: there is no such file; vote in the arena first "
        "(`rostra up`), or name another store with --votes-url",
    )
    try:
        with snapshot(engine) as connection:
            rows = [row for chunk in _chunks(connection) for row in chunk]
    except DBAPIError as error:
        name = engine.url.render_as_string(hide_password=True)
        raise ArenaError(f"cannot read the vote store {name}: {error.orig}") from None
    finally:
        engine.dispose()
    schema = {name: SCHEMA[name] for name in COLUMNS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _chunks(connection: Connection) -> Iterator[list[tuple[Any, ...]]]:
    rows = (
        select(
            Battle.id,
            Battle.contestant_a,
            Battle.contestant_b,
            Vote.outcome,
            Battle.voter,
            Battle.judge,
            Vote.turns,
            ImportedBattle.extra,
        )
        .select_from(Battle)
        .join(Vote)
        .outerjoin(ImportedBattle, ImportedBattle.battle_id == Battle.id)
        .where(Battle.mode == "battle", Battle.failed.is_(False))
        .where(Battle.identity_revealed.is_(False))
        .order_by(Vote.at, Vote.battle_id)
    )
    streamed = connection.execute(rows, execution_options={"yield_per": CHUNK})
    for part in streamed.partitions():
        found = list(map(tuple, part))
        asked = _questions(connection, [row[0] for row in found])
        chunk = []
        for battle, a, b, outcome, voter, judge, turns, extra in found:
            texts = [text for number, text in asked.get(battle, ()) if number < turns]
            told = extra or {}
            prompt = told.get("question", told.get("question_id", told.get("prompt")))
            turn = told.get("turn", turns)
            if any(texts):
                prompt = hashlib.sha256("\x1f".join(texts).encode(errors="replace")).hexdigest()
                turn = turns
            named = None if prompt is None else str(prompt)
            for left, right, word in orders(a, b, outcome, told if judge else {}):
                kind = told.get("category")
                chunk.append((left, right, word, voter, judge, named, str(turn), kind))
        yield chunk


def _questions(connection: Connection, battles: list[str]) -> dict[str, list[tuple[int, str]]]:
    """By battle, number and text of its turns, in order."""
    rows = select(Turn.battle_id, Turn.number, Turn.prompt).where(Turn.battle_id.in_(battles))
    found: dict[str, list[tuple[int, str]]] = {}
    for battle, number, text in connection.execute(rows.order_by(Turn.number)):
        found.setdefault(battle, []).append((number, text))
    return found


def orders(
    a: str, b: str, outcome: str, extra: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Left, right and outcome of each order that `extra` tells of; of `a` and `b` where none.

    A panel has one outcome: the orders are those of its members.
    """
    told = [
        (each["left"], each["right"], each["outcome"])
        for each in _list(extra.get("verdicts"))
        if isinstance(each, Mapping)
        and "panel" not in extra
        and {each.get("left"), each.get("right")} == {a, b}
        and each.get("outcome") in OUTCOMES
    ]
    yield from told or [(a, b, outcome)]


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def in_orders(battles: pl.DataFrame, extras: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """`battles` with a row for each order that a judge saw, columns of a side going with it.

    `battles` have `id`; `extras` by id.
    """
    swapped = {
        name: name.replace(*pair)
        for name in battles.columns
        for pair in ((_LEFT, _RIGHT), (_RIGHT, _LEFT))
        if name.endswith(pair[0])
    }
    rows = []
    for row in battles.iter_rows(named=True):
        extra = extras.get(row["id"], {}) if row["judge"] is not None else {}
        for left, right, outcome in orders(row["left"], row["right"], row["outcome"], extra):
            turned = left != row["left"]
            same = {name: row[swapped.get(name, name) if turned else name] for name in row}
            rows.append({**same, "left": left, "right": right, "outcome": outcome})
    return pl.DataFrame(rows, schema=battles.schema)
