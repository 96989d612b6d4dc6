"""Votes counted by the database: one row for who stood where at each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    SQLColumnExpression,
    Text,
    func,
    select,
    type_coerce,
)

from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.frame import SCHEMA, TAGS, TIME, WEEK
from rostra.arena.ratings.reduce import COUNT
from rostra.arena.votes.models import Battle, Vote
from rostra.arena.votes.tag_columns import tag_column

FACTORS = (*TAGS, WEEK)
"""By which the database groups. By voter there are hardly fewer groups than votes."""


def groups(
    connection: Connection, factors: Sequence[str], chosen: Sequence[ColumnElement[bool]]
) -> pl.DataFrame:
    """What `rostra.arena.ratings.reduce.reduce_groups` takes, of the `chosen` votes.

    `factors`: of `FACTORS`.
    """
    dialect = connection.dialect.name
    keys = {
        # As expressions: an index on a contestant would be taken, which takes four times as long.
        "left": func.coalesce(Battle.contestant_a, ""),
        "right": func.coalesce(Battle.contestant_b, ""),
        **{name: _level(dialect, name) for name in factors},
    }
    labelled = [key.label(name) for name, key in keys.items()]
    rows = (
        select(
            *labelled,
            *(func.count().filter(Vote.outcome == outcome) for outcome in OUTCOMES),
            raw_time(func.min(Vote.at)),
            raw_time(func.max(Vote.at)),
        )
        .select_from(Battle)
        .join(Vote)
        .where(*chosen)
        .group_by(*labelled)
    )
    columns = list(zip(*connection.execute(rows), strict=True))
    names = [*keys, *OUTCOMES, "first", "last"]
    schema = {name: SCHEMA.get(name, pl.String()) for name in keys}
    schema |= dict.fromkeys(OUTCOMES, pl.Int64())
    values = dict(zip(names, columns, strict=True)) if columns else dict.fromkeys(names, ())
    times = {name: times_of(values.pop(name)) for name in ("first", "last")}
    table = pl.DataFrame(values, schema).with_columns(**times)
    by_outcome = table.unpivot(
        OUTCOMES, index=[*keys, *times], variable_name="outcome", value_name=COUNT
    )
    return by_outcome.filter(pl.col(COUNT) > 0).with_columns(
        pl.col("outcome").cast(SCHEMA["outcome"])
    )


def raw_time(column: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """As the database gives it, for `times_of`: SQLAlchemy would read each text by itself."""
    return type_coerce(column, Text)


def times_of(values: Sequence[Any]) -> pl.Series:
    """`TIME`, of what `raw_time` gave: texts in UTC of SQLite, datetimes of PostgreSQL."""
    if values and isinstance(values[0], str):
        texts = pl.Series(values, dtype=pl.String)
        return texts.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")
    return pl.Series(values, dtype=TIME)


def _level(dialect: str, name: str) -> Any:
    if name != WEEK:
        return tag_column(name)
    if dialect == "postgresql":
        return func.to_char(func.date_trunc("week", func.timezone("UTC", Vote.at)), "YYYY-MM-DD")
    # The Sunday on or after the day, and six days back.
    return func.date(Vote.at, "weekday 0", "-6 days")
