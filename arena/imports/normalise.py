"""From columns as they stood in a file to a vote frame, and the rows that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rostra.arena.imports.labels import LABELS
from rostra.arena.imports.report import EXAMPLES, Example, Fault, merged, shortened
from rostra.arena.imports.times import moment, names_zone
from rostra.arena.ratings.frame import OUTCOME, SCHEMA

ROW = "row"
"""Column with the number of the row, Int64; see `Example.row`."""
LONGEST_NAME = 200
"""Characters, as in the vote store."""
UNREADABLE = "a name with a line break, a control character or invalid UTF-8"
TRIMMED = {name for name, dtype in SCHEMA.items() if dtype == pl.String()} - {
    *("text_left", "text_right")
} | {"outcome"}
"""Columns in which blanks at the ends mean nothing, and an empty text or NaN is none."""

Check = tuple[pl.Expr, str, pl.Expr]
"""What is wrong with a row, the reason in words, and what to show of it."""


@dataclass(frozen=True)
class Raw:
    """What a reader of a format found."""

    rows: pl.LazyFrame
    """`ROW` and columns by the frame's names, String or what they are in the frame."""
    faults: tuple[Fault, ...] = ()
    """Rows that could not even be read as such."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Rows that are not meant to be rated, which are not among `rows`."""


@dataclass(frozen=True)
class Normalised:
    votes: pl.LazyFrame
    num_votes: int
    faults: tuple[Fault, ...]
    judged: pl.LazyFrame
    """Every row with `ROW`, its `reason` when it is malformed and the `detail` that shows it."""


def normalised(raw: pl.LazyFrame, *, in_memory: bool) -> Normalised:
    """The votes of `rows` of a `Raw`, and the rows that are malformed.

    `in_memory`: read the rows once and keep them. Otherwise the votes stay a query on the file,
    which is passed over once, and once more each for ids, for times and for what is malformed.
    """
    has = raw.collect_schema()
    names = [name for name in SCHEMA if name in has]
    rows = raw.with_columns(_trimmed(name) for name in names if name in TRIMMED)
    if in_memory:
        rows = rows.collect().lazy()
    rows = rows.with_columns(
        label=pl.col("outcome"),
        outcome=pl.col("outcome")
        .str.to_lowercase()
        .replace_strict(LABELS, default=None, return_dtype=OUTCOME),
    )
    checks = _checks()
    if "at" in has:
        time = moment(pl.col("at"), has["at"], rows)
        rows = rows.with_columns(said=pl.col("at").cast(pl.String), at=time.instant)
        checks += _checks_of_times(rows, time.in_words)
    rows = rows.with_columns(_first_of(checks).alias("fault"))
    if in_memory:
        rows = rows.collect().lazy()
    if "id" in has and len(again := _repeated(rows)):
        repeated = (pl.col(ROW) > pl.col("first"), "id of an earlier row", pl.col("id"))
        rows = rows.join(again.lazy(), on="id", how="left", maintain_order="left").with_columns(
            pl.coalesce("fault", pl.when(repeated[0]).then(pl.lit(len(checks), pl.UInt8)))
        )
        checks.append(repeated)
    fault = pl.col("fault")
    total, bad = rows.select(pl.len(), bad=fault.count()).collect(engine="streaming").row(0)
    good = rows.filter(fault.is_null()) if bad else rows
    reasons = dict(enumerate(reason for _, reason, _ in checks))
    return Normalised(
        votes=good.select(_typed(name) for name in names),
        num_votes=total - bad,
        faults=_faults(rows, checks) if bad else (),
        judged=rows.select(
            ROW,
            fault.replace_strict(reasons, default=None, return_dtype=pl.String).alias("reason"),
            _detail(checks).alias("detail"),
            *(_typed(name) for name in names),
        ),
    )


def _trimmed(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(text.str.to_lowercase().is_in(["", "nan"]).not_()).then(text).alias(name)


def _checks() -> list[Check]:
    left, right = pl.col("left"), pl.col("right")
    nothing = pl.lit("")
    checks = [
        (left.is_null(), "no contestant on the left", nothing),
        (right.is_null(), "no contestant on the right", nothing),
    ]
    for name in (left, right):
        checks += [
            (name.str.contains(r"[\p{Cc}\x{FFFD}]"), UNREADABLE, name),
            (
                name.str.len_chars() > LONGEST_NAME,
                f"a name longer than {LONGEST_NAME} characters",
                name,
            ),
        ]
    return [
        *checks,
        (pl.col("label").is_null(), "no outcome", nothing),
        (pl.col("outcome").is_null(), "unknown outcome", pl.col("label")),
        (left == right, "a contestant against itself", left),
    ]


def _checks_of_times(rows: pl.LazyFrame, in_words: bool) -> list[Check]:
    """`rows` have `at`, and `said` as the file has it; `in_words`: some are in ISO 8601."""
    said = pl.col("said")
    checks = [(pl.col("at").is_null() & said.is_not_null(), "unreadable time", said)]
    zoned = rows.filter(pl.col("at").is_not_null()).select(zoned=names_zone(said).unique())
    if in_words and len(zoned.collect(engine="streaming")) > 1:
        reason = "a time without its zone, where other rows name theirs"
        checks.append((names_zone(said).not_(), reason, said))
    return checks


def _first_of(checks: Sequence[Check]) -> pl.Expr:
    """Place of the first check that holds; null where none does."""
    return pl.coalesce(
        pl.when(failed).then(pl.lit(number, pl.UInt8))
        for number, (failed, _, _) in enumerate(checks)
    )


def _repeated(rows: pl.LazyFrame) -> pl.DataFrame:
    """Ids that more than one good row has, and the first such row."""
    return (
        rows.filter(pl.col("fault").is_null() & pl.col("id").is_not_null())
        .group_by("id")
        .agg(pl.len().alias("times"), pl.col(ROW).min().alias("first"))
        .filter(pl.col("times") > 1)
        .select("id", "first")
        .collect(engine="streaming")
    )


def _typed(name: str) -> pl.Expr:
    if SCHEMA[name] != pl.Int64():
        return pl.col(name)
    # A count may be written as 12.0 where a column has gaps.
    number = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when((number >= 0) & number.is_finite()).then(number).cast(pl.Int64).alias(name)


def _detail(checks: Sequence[Check]) -> pl.Expr:
    return pl.coalesce(
        pl.when(pl.col("fault") == number).then(shown.str.slice(0, 100))
        for number, (_, _, shown) in enumerate(checks)
    )


def _faults(rows: pl.LazyFrame, checks: Sequence[Check]) -> tuple[Fault, ...]:
    found = (
        rows.filter(pl.col("fault").is_not_null())
        .select("fault", ROW, _detail(checks).alias("detail"))
        .collect(engine="streaming")
        .sort(ROW)
        .group_by("fault")
        .agg(pl.len().alias("count"), pl.col(ROW).head(EXAMPLES), pl.col("detail").head(EXAMPLES))
    )
    return merged(
        Fault(
            checks[number][1],
            count,
            tuple(
                Example(row, shortened(detail or "")) for row, detail in zip(at, texts, strict=True)
            ),
        )
        for number, count, at, texts in found.iter_rows()
    )
