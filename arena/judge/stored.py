"""Verdicts as they lie in the vote store, one row for each order that a judge was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, case, func, select

from rostra.arena.votes.database import snapshot
from rostra.arena.votes.models import Answer, Battle, ImportedBattle, Vote

SCHEMA: dict[str, Any] = {
    "id": pl.String(),
    "judge": pl.String(),
    "left": pl.String(),
    "right": pl.String(),
    "outcome": pl.String(),
    "agreed": pl.String(),
    "question": pl.String(),
    "turn": pl.Int64(),
    "category": pl.String(),
    "consistent": pl.Boolean(),
    "self": pl.Boolean(),
    "characters_left": pl.Int64(),
    "characters_right": pl.Int64(),
    "tokens_left": pl.Int64(),
    "tokens_right": pl.Int64(),
}
"""`id`: of the battle, so both orders of a pair have the same. `outcome`: of this order, `a` for
the one on the left; `agreed`: of the vote, likewise. Lengths are of the answers to all turns shown;
null where the texts are not there. Panels and grades have no orders and are not here."""


def verdicts(engine: Engine) -> pl.DataFrame:
    """`SCHEMA`, by battle. Blocks."""
    with snapshot(engine) as connection:
        return pl.DataFrame(list(_rows(connection)), schema=SCHEMA, orient="row")


def _rows(connection: Connection) -> Iterator[tuple[Any, ...]]:
    rows = (
        select(
            *(Battle.id, Battle.judge, Battle.contestant_a, Vote.outcome, ImportedBattle.extra),
        )
        .join(Vote, Vote.battle_id == Battle.id)
        .join(ImportedBattle, ImportedBattle.battle_id == Battle.id)
        .where(Battle.judge.is_not(None))
        .order_by(Battle.id)
    )
    lengths = _lengths(connection)
    for battle, judge, a, agreed, extra in connection.execute(rows):
        if extra is None or "panel" in extra:
            continue
        for shown in extra.get("verdicts", ()):
            if "left" not in shown:
                continue
            straight = shown["left"] == a
            sides = ("a", "b") if straight else ("b", "a")
            characters, tokens = zip(
                *(lengths.get((battle, side), (None, None)) for side in sides), strict=True
            )
            yield (
                *(battle, judge, shown["left"], shown["right"], shown["outcome"]),
                agreed if straight else {"a": "b", "b": "a"}.get(agreed, agreed),
                *(extra["question"], extra["turn"], extra["category"]),
                *(extra["consistent"], extra["self"]),
                *characters,
                *tokens,
            )


def _lengths(connection: Connection) -> dict[tuple[str, str], tuple[int | None, int | None]]:
    """Characters and tokens by battle and side; tokens are null where one answer's are."""
    counted = func.count(Answer.completion_tokens)
    rows = (
        select(
            Answer.battle_id,
            Answer.side,
            func.sum(func.length(Answer.text)),
            case((counted == func.count(), func.sum(Answer.completion_tokens))),
        )
        .join(Battle, Battle.id == Answer.battle_id)
        .where(Battle.judge.is_not(None), func.length(Battle.text_salt) > 0)
        .group_by(Answer.battle_id, Answer.side)
    )
    return {(battle, side): (chars, tokens) for battle, side, chars, tokens in
            connection.execute(rows)}  # fmt: skip
