"""Votes reduced to a board: one pass of Polars' streaming engine, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from rostra.arena.ratings.board import OUTCOMES, Board, Factor
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import (
    JUDGE,
    OUTCOME,
    TIME,
    WEEK,
    Selection,
    Votes,
    check,
    columns_of,
    judge,
    select,
    week,
)
from rostra.arena.ratings.style.covariates import BINS, columns_of_style, with_covariates
from rostra.arena.ratings.style.features import with_features

COUNT = "votes"


@dataclass(frozen=True)
class Wanted:
    """What a board is to tell apart, and of which votes it is made."""

    factors: tuple[str, ...] = ()
    style: tuple[str, ...] = ()
    bins: int | None = BINS
    """Of style; None for the exact value of each vote."""
    since: datetime | None = None
    """With time zone; votes cast at this time or later."""
    until: datetime | None = None
    """Votes cast before this time."""


@dataclass(frozen=True)
class Reduced:
    """A board, and what became of the votes."""

    board: Board
    left_out: tuple[tuple[str, int], ...]
    """Reason and number of votes."""
    first: datetime | None
    """When the first vote of the board was cast, where times are known."""
    last: datetime | None


def reduce_wanted(votes: Votes, wanted: Wanted) -> Reduced:
    """Votes cast in time that have every factor and feature that is wanted, reduced.

    Features of style are taken from the answers' texts where the frame has no counts of them.
    Raises RatingsError as `reduce` does, and when no vote is left.
    """
    columns = [*columns_of(wanted.factors), *columns_of_style(wanted.style)]
    if wanted.style:
        votes = with_features(votes, wanted.style)
    selected = select(votes, Selection(wanted.since, wanted.until, tuple(columns)))
    groups = _groups(selected.votes, wanted.factors, wanted.style, wanted.bins)
    if not len(groups):
        raise _none_left(selected.left_out)
    board = board_of_groups(groups, wanted.factors, wanted.style)
    first, last = groups.select(pl.col("first").min(), pl.col("last").max()).row(0)
    return Reduced(board, selected.left_out, first, last)


def reduce_groups(groups: pl.DataFrame, factors: Sequence[str]) -> Reduced:
    """Votes that are counted already, those that have every factor; at least one vote.

    `groups`: columns as `board_of_groups` takes them, factors null where a vote has none, and
    `first` and `last`, when the first and the last vote of a group was cast, as `TIME`.

    Raises RatingsError when no vote is left.
    """
    left_out = []
    for name in factors:
        has = groups.filter(pl.col(name).is_not_null())
        if without := int(groups[COUNT].sum()) - int(has[COUNT].sum()):
            left_out.append((f"no {name}", without))
        groups = has
    if not len(groups):
        raise _none_left(left_out)
    first, last = groups.select(pl.col("first").min(), pl.col("last").max()).row(0)
    return Reduced(board_of_groups(groups, factors), tuple(left_out), first, last)


def _none_left(left_out: Sequence[tuple[str, int]]) -> RatingsError:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out)
    return RatingsError(f"no votes are left to rate from: {reasons or 'there were none'}")


def reduce(
    votes: Votes,
    factors: Sequence[str] = (),
    style: Sequence[str] = (),
    *,
    bins: int | None = BINS,
    contestants: Iterable[str] = (),
) -> Board:
    """Counts the votes by who stood where, by `factors` and by style.

    `factors`: of `rostra.arena.ratings.frame.FACTORS`. `style`: names of covariates, see
    `rostra.arena.ratings.style.covariates`; `bins` there, None for the exact value of each vote.
    `contestants`: those that belong to the field even if no vote names them.

    Raises:
        RatingsError: a column that is missing or null where it is asked for, a contestant that
            meets itself, or a covariate that is the same in all votes.
    """
    return board_of_groups(_groups(votes, factors, style, bins), factors, style, contestants)


def _groups(
    votes: Votes, factors: Sequence[str], style: Sequence[str], bins: int | None
) -> pl.DataFrame:
    """Votes counted, with the times of the first and the last where they are known."""
    check(votes)
    lazy = votes.lazy()
    _require(lazy, [*columns_of(factors)])
    at = pl.col("at") if "at" in lazy.collect_schema() else pl.lit(None, TIME)
    if WEEK in factors:
        lazy = lazy.with_columns(week())
    if JUDGE in factors:
        lazy = lazy.with_columns(judge(lazy))
    if style:
        lazy = with_covariates(lazy, style, bins)
    keys = ["left", "right", *factors, *style]
    return (
        lazy.group_by(*keys, "outcome")
        .agg(pl.len().alias(COUNT), at.min().alias("first"), at.max().alias("last"))
        .collect(engine="streaming")
    )


def board_of_groups(
    groups: pl.DataFrame,
    factors: Sequence[str] = (),
    style: Sequence[str] = (),
    contestants: Iterable[str] = (),
) -> Board:
    """A board of counted votes: columns `left`, `right`, factors, style, `outcome` and `votes`."""
    for name in (*factors, *style):
        if nulls := groups.filter(pl.col(name).is_null())[COUNT].sum():
            raise RatingsError(f"{nulls:,} votes have no {name}; leave them out first")
    met = set(groups["left"].unique()) | set(groups["right"].unique())
    names = sorted(met | set(contestants))
    table = np.zeros((len(groups), len(OUTCOMES)), dtype=np.int64)
    outcome = groups["outcome"].cast(OUTCOME).to_physical().to_numpy()
    table[np.arange(len(groups)), outcome] = groups[COUNT].to_numpy()
    return Board.of(
        names,
        _codes(groups["left"], names),
        _codes(groups["right"], names),
        table,
        {name: _factor(groups[name]) for name in factors},
        {name: groups[name].to_numpy() for name in style},
    )


def _factor(values: pl.Series) -> Factor:
    levels = sorted(values.unique())
    return Factor(tuple(levels), _codes(values, levels))


def _codes(values: pl.Series, levels: Sequence[str]) -> np.ndarray:
    """[rows], index of each value in the sorted `levels`."""
    return values.cast(pl.Enum(levels)).to_physical().cast(pl.Int64).to_numpy()


def _require(lazy: pl.LazyFrame, columns: Sequence[str]) -> None:
    has = lazy.collect_schema()
    if missing := [name for name in columns if name not in has]:
        raise RatingsError(f"the votes carry no {missing[0]!r}; they carry {', '.join(has)}")
