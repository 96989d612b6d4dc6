"""The two intervals that every number is told with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

PROBABILITIES = (0.03, 0.25, 0.75, 0.97)
"""Where the 94 % and the 50 % equal-tailed interval begin and end, in ascending order."""


class Interval(NamedTuple):
    """As much probability lies below as above (Gelman et al., Bayesian Data Analysis, 3rd ed.,
    section 2.3): an interval that keeps its meaning when the scale is transformed."""

    low: float
    high: float


def quantiles(draws: FloatArray) -> FloatArray:
    """[4, ...], quantiles at `PROBABILITIES` over the first axis of `draws` [draws, ...]."""
    return np.asarray(np.quantile(draws, PROBABILITIES, axis=0))


def intervals(draws: FloatArray) -> tuple[Interval, Interval]:
    """The 50 % and the 94 % interval of `draws`, an array of any shape."""
    low_94, low_50, high_50, high_94 = quantiles(draws.ravel()).tolist()
    return Interval(low_50, high_50), Interval(low_94, high_94)
