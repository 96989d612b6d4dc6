"""The vote frame: one row for each vote, in Polars, whatever file or store it came from.

    left, right   String             names of the contestants on either side
    outcome       Enum(OUTCOMES)     `a`: the answer on the left is better
    id            String             of the vote, unique
    at            Datetime us, UTC   when the vote was cast
    voter         String             pseudonym of who cast it
    judge         String             the model that cast it; null, as without the column, for a
                                     person
    category, language  String       of the question
    code, maths, multi_turn  String  yes or no
    length              String       of the question: short, medium or long
    prompt        String             the question, or what identifies it
    turn          String             which turn of a conversation on it was judged
    text_left, text_right      String  the answers in Markdown
    tokens_left, tokens_right  Int64   their lengths in tokens, as counted by who made them
    headers_, lists_, bold_, code_, emoji_ with left and right  Int64  counts in the answers

`left`, `right` and `outcome` are always there and never null; every other column may be absent, and
its values may be null. Frames may be lazy, so that more votes than fit in memory can be reduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.spec import PEOPLE

Votes = pl.DataFrame | pl.LazyFrame

OUTCOME = pl.Enum(OUTCOMES)
TIME = pl.Datetime("us", "UTC")
COUNTED = ("headers", "lists", "bold", "code", "emoji")
"""Features of an answer that are counted in its Markdown."""
TAGS = ("language", "code", "maths", "length", "multi_turn")
"""What battles are tagged with; each is a factor."""
REQUIRED = ("left", "right", "outcome")
SCHEMA: dict[str, pl.DataType] = {
    "left": pl.String(),
    "right": pl.String(),
    "outcome": OUTCOME,
    "id": pl.String(),
    "at": TIME,
    **{name: pl.String() for name in ("voter", "judge", "category", *TAGS, "prompt", "turn")},
    **{f"text_{side}": pl.String() for side in ("left", "right")},
    **{f"{name}_{side}": pl.Int64() for name in ("tokens", *COUNTED) for side in ("left", "right")},
}
WEEK = "week"
"""The factor that is made of `at`: the ISO date of the week's Monday, UTC."""
JUDGE = "judge"
"""The factor whose level is `PEOPLE` where no model voted."""
FACTORS = ("category", *TAGS, WEEK, "voter", JUDGE)


@dataclass(frozen=True)
class Selection:
    """Which votes to use, and which columns they must have to be of use."""

    since: datetime | None = None
    """With time zone. Votes cast at this time or later."""
    until: datetime | None = None
    """Votes cast before this time."""
    present: tuple[str, ...] = ()
    """Columns that must not be null."""


@dataclass(frozen=True)
class Selected:
    """What a selection left."""

    votes: pl.LazyFrame
    left_out: tuple[tuple[str, int], ...]
    """Reason and number of votes, no reason with none."""


def check(votes: Votes) -> None:
    """Raises RatingsError when the columns are not those of a vote frame; reads no row."""
    schema = votes.collect_schema()
    if missing := [name for name in REQUIRED if name not in schema]:
        raise RatingsError(f"votes lack the column {', '.join(missing)}")
    for name, dtype in schema.items():
        if name in SCHEMA and dtype != SCHEMA[name]:
            raise RatingsError(f"column {name!r} of the votes is {dtype}; make it {SCHEMA[name]}")


def week() -> pl.Expr:
    """The level of `WEEK` of each vote."""
    return pl.col("at").dt.truncate("1w").dt.strftime("%Y-%m-%d").alias(WEEK)


def columns_of(factors: Sequence[str]) -> list[str]:
    """The frame's columns that factors want a value of. Raises RatingsError for an unknown one."""
    for name in factors:
        if name not in FACTORS:
            raise RatingsError(f"votes are not told apart by {name!r}; by {', '.join(FACTORS)}")
    return ["at" if name == WEEK else name for name in factors if name != JUDGE]


def judge(votes: pl.LazyFrame) -> pl.Expr:
    """The level of `JUDGE` of each vote."""
    has = JUDGE in votes.collect_schema()
    given = pl.col(JUDGE) if has else pl.lit(None, pl.String)
    return given.fill_null(PEOPLE).alias(JUDGE)


def select(votes: Votes, selection: Selection) -> Selected:
    """Applies a selection; one pass over the votes, none for an empty one.

    Raises RatingsError when the votes have no such column at all.
    """
    check(votes)
    lazy = votes.lazy()
    has = lazy.collect_schema()
    timed = selection.since is not None or selection.until is not None
    needed = tuple(dict.fromkeys((*selection.present, *(("at",) if timed else ()))))
    if missing := [name for name in needed if name not in has]:
        carried = ", ".join(name for name in has if name not in REQUIRED) or "nothing more"
        raise RatingsError(
            f"the votes carry no {_worded(missing[0])}; "
            f"besides who met whom and the outcome they carry {carried}"
        )
    reason = pl.lit(None, pl.String)
    for name in reversed(needed):
        reason = (
            pl.when(pl.col(name).is_null()).then(pl.lit(f"no {_worded(name)}")).otherwise(reason)
        )
    if selection.until is not None:
        after = f"cast at {selection.until.isoformat()} or later"
        reason = pl.when(pl.col("at") >= selection.until).then(pl.lit(after)).otherwise(reason)
    if selection.since is not None:
        before = f"cast before {selection.since.isoformat()}"
        reason = pl.when(pl.col("at") < selection.since).then(pl.lit(before)).otherwise(reason)
    if not needed:
        return Selected(lazy, ())
    groups = lazy.group_by(reason.alias("reason")).agg(pl.len().alias("votes"))
    found = groups.collect(engine="streaming").drop_nulls("reason").sort("reason")
    return Selected(lazy.filter(reason.is_null()), tuple(found.iter_rows()))


def _worded(column: str) -> str:
    return "time" if column == "at" else column.replace("_", " of the answer on the ")
