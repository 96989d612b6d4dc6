"""Who is separated from whom when all pairs are looked at together, and the tiers that gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.summary.intervals import FloatArray

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

LEVEL = 0.94
"""Probability that every difference lies in its simultaneous interval at once."""


@dataclass(frozen=True, eq=False)
class Tiers:
    """Separation at a level that holds for all pairs together.

    The interval of each difference is its mean, give or take `width` posterior standard
    deviations, with one `width` for all linked pairs: the `LEVEL` quantile, over the draws, of the
    largest standardised deviation of any difference from its mean (the max-statistic; Besag,
    Green, Higdon and Mengersen 1995, Statistical Science 10, section 6.3, for simultaneous
    intervals from draws). So with probability 94 % no difference lies outside its interval, and
    reading off all separated pairs at once is safe, which it is not with intervals made one by
    one: of 1,000 pairs of equals, those separate some 60.
    """

    width: float
    """In posterior standard deviations of a difference."""
    separated: NDArray[np.bool_]
    """[contestants, contestants], whether zero lies outside the interval of the difference.
    Symmetric. Never for two that no votes link."""
    tier: NDArray[np.int64]
    """[contestants], 1 the highest.

    Going down from the highest rating, a tier takes in contestants until the first that is
    separated from the one it began with, which begins the next. So two of one tier are not known
    to differ from its first, and the first of each tier is separated from the first of the one
    above. Two of different tiers need not be separated: `separated` tells.
    """


def tiers(posterior: Posterior) -> Tiers:
    """Tiers of the whole field, by posterior mean."""
    strengths = posterior.flat_strengths
    mean = strengths.mean(axis=0)
    width, sd = simultaneous_width(strengths, posterior.linked)
    ahead = mean[:, None] - mean[None, :]
    separated = (np.abs(ahead) > width * sd) & posterior.linked
    np.fill_diagonal(separated, False)
    tier = np.empty(len(mean), dtype=np.int64)
    order = np.argsort(-mean, kind="stable")
    first, number = order[0], 1
    for i in order:
        if separated[first, i]:
            first, number = i, number + 1
        tier[i] = number
    return Tiers(width, separated, tier)


def simultaneous_width(
    strengths: FloatArray, linked: NDArray[np.bool_], level: float = LEVEL
) -> tuple[float, FloatArray]:
    """The width, and [contestants, contestants] the standard deviation of each difference.

    `strengths`: [draws, contestants]. `linked`: [contestants, contestants], the pairs that count;
    the width is zero when there is none.
    """
    draws, size = strengths.shape
    centred = np.ascontiguousarray((strengths - strengths.mean(axis=0)).T)
    covariance = centred @ centred.T / (draws - 1)
    variance = np.diag(covariance)
    # A difference that never varied has a variance of zero, but for rounding.
    sd = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * covariance, 0))
    largest = np.zeros(draws)
    for i in range(size - 1):
        others = 1 + i + np.flatnonzero(linked[i, i + 1 :] & (sd[i, i + 1 :] > 0))
        if len(others):
            deviation = np.abs(centred[i] - centred[others]) / sd[i, others, None]
            np.maximum(largest, deviation.max(axis=0), out=largest)
    return float(np.quantile(largest, level)), sd
