"""Votes reduced to a board: one pass of Polars' streaming engine, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from rostra.arena.ratings.board import OUTCOMES, Board, Factor
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import OUTCOME, WEEK, Votes, check, columns_of, week
from rostra.arena.ratings.style.covariates import BINS, with_covariates

COUNT = "votes"


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
    check(votes)
    lazy = votes.lazy()
    _require(lazy, [*columns_of(factors)])
    if WEEK in factors:
        lazy = lazy.with_columns(week())
    if style:
        lazy = with_covariates(lazy, style, bins)
    keys = ["left", "right", *factors, *style]
    groups = lazy.group_by(*keys, "outcome").agg(pl.len().alias(COUNT)).collect(engine="streaming")
    return board_of_groups(groups, factors, style, contestants)


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
