"""Style covariates of a vote: how much more of something the answer on the left has.

For a count l on the left and r on the right the covariate is (l - r) / (l + r + 1), divided by its
standard deviation over the votes that are used. It is not centred: zero stays equal style, and
exchanging the sides changes the sign and nothing else. A model with a side effect gives the same
strengths and coefficients either way, and its side effect then is the one at equal style.

In bins the votes keep few distinct values, so that they can be counted: votes with a difference of
zero are one bin; the others are cut by the quantiles of the absolute difference, and each takes the
mean absolute difference of its bin, with its own sign.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import COUNTED

STYLE = ("length", *COUNTED)
"""Names of the covariates."""
BINS = 8
"""Of the absolute difference, so 17 values with the signs and zero. On normal differences they keep
98 % of the variance."""


def columns_of_style(names: Sequence[str]) -> list[str]:
    """The vote frame's columns that the covariates are made of.

    Raises RatingsError for a name that is none of `STYLE`, or there twice.
    """
    for name in names:
        if name not in STYLE:
            raise RatingsError(f"there is no style feature {name!r}; there are {', '.join(STYLE)}")
    if len(set(names)) < len(names):
        raise RatingsError(f"a style feature is named twice: {', '.join(names)}")
    return [column for name in names for column in _columns(name)]


def with_covariates(votes: pl.LazyFrame, names: Sequence[str], bins: int | None) -> pl.LazyFrame:
    """The votes with one Float64 column for each of `names`; null where a count is null.

    `bins`: of the absolute difference; None leaves each vote its own value. Makes two passes.
    """
    has = votes.collect_schema()
    for column in columns_of_style(names):
        if column not in has:
            raise RatingsError(
                f"the votes carry no {column!r}, which a style covariate needs: "
                "neither counts nor texts of the answers"
            )
    return votes.with_columns(
        _standardised(votes, name, bins).cast(pl.Float64).alias(name) for name in names
    )


def difference(name: str) -> pl.Expr:
    """(l - r) / (l + r + 1), in -1 to 1."""
    left, right = (pl.col(column).cast(pl.Float64) for column in _columns(name))
    return (left - right) / (left + right + 1)


def _columns(name: str) -> tuple[str, str]:
    stem = "tokens" if name == "length" else name
    return f"{stem}_left", f"{stem}_right"


def _standardised(votes: pl.LazyFrame, name: str, bins: int | None) -> pl.Expr:
    x = votes.select(x=difference(name)).collect(engine="streaming")["x"].drop_nulls()
    if not len(x):
        return difference(name)
    # Not by the deviation: the mean of equal numbers may differ from them in its last bit.
    if x.min() == x.max():
        raise RatingsError(f"the covariate {name!r} is the same in all votes; leave it out")
    sd = float(x.to_numpy().std())
    if bins is None:
        return difference(name) / sd
    size = np.abs(x.to_numpy())
    size = size[size > 0]
    edges = np.unique(np.quantile(size, np.arange(1, bins) / bins))
    place = np.searchsorted(edges, size, side="left")
    number = np.bincount(place, minlength=len(edges) + 1)
    total = np.bincount(place, weights=size, minlength=len(edges) + 1)
    means = total / np.maximum(number, 1) / sd
    absolute = difference(name).abs()
    value = pl.lit(means[0])
    for edge, mean in zip(edges, means[1:], strict=True):
        value = pl.when(absolute > edge).then(pl.lit(mean)).otherwise(value)
    return difference(name).sign() * value
