"""Ranks that intervals allow, without a test of hypotheses."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]


def rank_by_bounds(lower: ArrayLike, upper: ArrayLike) -> IntArray:
    """[contestants], 1 + how many have their lower bound above one's upper bound.

    The rank of LMSYS's boards. NaN bounds, of who has no interval, are above and below nobody.
    """
    return rank_spread(lower, upper)[0]


def rank_spread(lower: ArrayLike, upper: ArrayLike) -> tuple[IntArray, IntArray]:
    """Best and worst rank that intervals allow, each [contestants].

    Best is 1 + how many lower bounds are above one's upper bound; worst is 1 + how many other
    upper bounds are above one's lower bound.
    """
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    best = 1 + (low[None, :] > high[:, None]).sum(axis=1)
    others = ~np.eye(len(low), dtype=bool)
    worst = 1 + ((high[None, :] > low[:, None]) & others).sum(axis=1)
    return best, worst
