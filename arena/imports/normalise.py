"""From columns as they stood in a file to a vote frame, and the rows that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rostra.arena.imports.labels import LABELS
from rostra.arena.imports.report import EXAMPLES, Example, Fault, merged, shortened
from rostra.arena.imports.times import moment, names_zone
from rostra.arena.ratings.frame import OUTCOME, REQUIRED, SCHEMA

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
    which is passed over twice, and once more each for ids, for times and for what is malformed.

    Contestants and outcomes are few, so each is looked at once and the rows are looked up.
    """
    has = raw.collect_schema()
    names = [name for name in SCHEMA if name in has]
    rows = raw.with_columns(pl.col(*REQUIRED).cast(pl.String))
    if in_memory:
        rows = rows.collect().lazy()
    found = _distinct(rows)
    rows = rows.with_columns(
        found["left"].cleaned,
        found["right"].cleaned,
        label=found["outcome"].cleaned,
        outcome=_outcome(found["outcome"]),
    )
    checks = _checks(found)
    if "at" in has:
        time = moment(pl.col("at"), has["at"], rows)
        rows = rows.with_columns(said=pl.col("at"), at=time.instant)
        checks += _checks_of_times(rows, time.in_words)
    rows = rows.with_columns(_first_of(checks).alias("fault"))
    if in_memory:
        rows = rows.collect().lazy()
    # Each of these is trimmed only where it is wanted.
    rows = rows.with_columns(_trimmed(name) for name in names if name in TRIMMED - {*REQUIRED})
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


@dataclass(frozen=True)
class Values:
    """What stands in a column, each value once."""

    name: str
    raw: pl.Series
    clean: pl.Series
    """`_trimmed` of each."""

    @property
    def cleaned(self) -> pl.Expr:
        """The column, `_trimmed`."""
        changed = self.raw.ne_missing(self.clean)
        column = pl.col(self.name)
        if not changed.any():
            return column
        return column.replace(self.raw.filter(changed), self.clean.filter(changed))


def _distinct(rows: pl.LazyFrame) -> dict[str, Values]:
    """By the name of each of `REQUIRED`, in one pass over the rows."""
    each = pl.collect_all(
        [rows.select(pl.col(name).unique()) for name in REQUIRED], engine="streaming"
    )
    return {
        name: Values(name, values[name], values.select(_trimmed(name))[name])
        for name, values in zip(REQUIRED, each, strict=True)
    }


def _outcome(labels: Values) -> pl.Expr:
    meant = [LABELS.get(label.lower()) if label else None for label in labels.clean]
    return pl.col("outcome").replace_strict(
        labels.raw, pl.Series(meant, dtype=OUTCOME), default=None, return_dtype=OUTCOME
    )


def _checks(found: Mapping[str, Values]) -> list[Check]:
    left, right = pl.col("left"), pl.col("right")
    nothing = pl.lit("")
    checks = [
        (left.is_null(), "no contestant on the left", nothing),
        (right.is_null(), "no contestant on the right", nothing),
    ]
    for name in ("left", "right"):
        shown, clean = pl.col(name), found[name].clean
        for bad, reason in (
            (clean.str.contains(r"[\p{Cc}\x{FFFD}]"), UNREADABLE),
            (
                clean.str.len_chars() > LONGEST_NAME,
                f"a name longer than {LONGEST_NAME} characters",
            ),
        ):
            if bad.any():
                checks.append((shown.is_in(clean.filter(bad).implode()), reason, shown))
    return [
        *checks,
        (pl.col("label").is_null(), "no outcome", nothing),
        (pl.col("outcome").is_null(), "unknown outcome", pl.col("label")),
        (left == right, "a contestant against itself", left),
    ]


def _checks_of_times(rows: pl.LazyFrame, in_words: bool) -> list[Check]:
    """`rows` have `at`, and `said` as the file has it; `in_words`: some are in ISO 8601."""
    said = pl.col("said").cast(pl.String)
    checks = [(pl.col("at").is_null() & pl.col("said").is_not_null(), "unreadable time", said)]
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
