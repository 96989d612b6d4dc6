"""Times as files write them: seconds since 1970, or ISO 8601 with a zone or without."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rostra.arena.ratings.frame import TIME

_NUMBER = r"^\d+(\.\d*)?([eE]\+?\d+)?$"
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?$"
_OFFSET = r"( ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))$"
_EPOCHS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0))
"""Below which a number of what unit, in microseconds: seconds until the year 5138, then
milliseconds, then microseconds."""


@dataclass(frozen=True)
class Moment:
    """How to read a column of times."""

    instant: pl.Expr
    """As `TIME`; what has no zone is taken as UTC, and null is what is no time."""
    in_words: bool
    """Whether some are in ISO 8601, with a zone or without."""


def moment(column: pl.Expr, dtype: pl.DataType, rows: pl.LazyFrame) -> Moment:
    """Looks at a column of texts once, as numbers need far less work than ISO 8601."""
    if isinstance(dtype, pl.Datetime | pl.Date):
        zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
        known = column.cast(pl.Datetime("us", zone))
        return Moment(known.cast(TIME) if zone else known.dt.replace_time_zone("UTC"), False)
    if dtype.is_numeric():
        return Moment(_since_1970(column.cast(pl.Float64)), False)
    text = column.cast(pl.String)
    numbers = rows.select(text.drop_nulls().str.contains(_NUMBER).all()).collect(engine="streaming")
    if numbers.item():
        return Moment(epoch(text), False)
    return Moment(pl.coalesce(epoch(text), iso(text)), True)


def names_zone(text: pl.Expr) -> pl.Expr:
    """Whether a time says where it was that late; a number of seconds does."""
    # A date alone names no zone: the -22 of 2026-11-22 is a day.
    return text.str.contains(_NUMBER) | (
        text.str.contains(_OFFSET) & (text.str.len_chars() > len("2026-11-22"))
    )


def epoch(text: pl.Expr) -> pl.Expr:
    """Seconds, milliseconds or microseconds since 1970; null for anything else."""
    return _since_1970(
        pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)
    )


def _since_1970(number: pl.Expr) -> pl.Expr:
    number = pl.when((number >= 0) & number.is_finite()).then(number)
    units = pl.lit(None, pl.Float64)
    for below, unit in reversed(_EPOCHS):
        units = pl.when(number < below).then(number * unit).otherwise(units)
    return units.round().cast(pl.Int64).cast(TIME)


def iso(text: pl.Expr) -> pl.Expr:
    """ISO 8601: a date, perhaps a time, perhaps an offset or a Z; null for anything else."""
    long = text.str.len_chars() > len("2026-11-22")
    offset = pl.when(long).then(text.str.extract(_OFFSET, 1).str.strip_chars())
    body = (
        pl.when(long)
        .then(text.str.replace(_OFFSET, ""))
        .otherwise(text)
        .str.replace(",", ".", literal=True)
        .str.replace(" ", "T", literal=True)
    )
    body = pl.when(text.str.replace(_OFFSET, "").str.contains(_ISO) | text.str.contains(_ISO)).then(
        body
    )
    whole = (
        pl.when(body.str.len_chars() == 10)
        .then(body + "T00:00:00")
        .when(body.str.len_chars() == 16)
        .then(body + ":00")
        .otherwise(body)
    )
    digits = offset.str.replace_all(r"[^0-9]", "")
    minutes = (
        digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0) * 60
        + digits.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
    ) * pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    local = whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return (local - pl.duration(minutes=minutes.fill_null(0))).dt.replace_time_zone("UTC")
