"""Each contestant against each other, and the difference of any two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.spec import Ties
from rostra.arena.ratings.summary.intervals import PROBABILITIES, FloatArray, Interval, intervals

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

ROPE_ELO = 10.0
"""Half the width of the region of practical equivalence: at 10 points the stronger of two wins
51.4 % of the votes that are no tie."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The row against the column, each array [contestants, contestants].

    NaN for two that no chain of votes links: there the draws tell the prior and nothing else.
    On the diagonal a contestant meets its equal.
    """

    superiority: FloatArray
    """Probability that the row is the stronger, P(theta_row > theta_column). It goes to 0 or 1
    with the number of votes."""
    win: FloatArray
    """Posterior mean of the chance that the row wins a single vote, on either side as often. It
    goes to the true share of wins with the number of votes, which is nearer to one half."""
    win_50: FloatArray
    """[contestants, contestants, 2], the 50 % interval of that chance."""
    win_94: FloatArray
    """[contestants, contestants, 2]"""
    tie: FloatArray
    """Posterior mean of the chance of a tie, neither answer being bad. Symmetric."""

    @property
    def score(self) -> FloatArray:
        """Posterior mean of the expected score: a win counts 1, a tie one half."""
        return self.win + self.tie / 2


@dataclass(frozen=True)
class Difference:
    """How much one contestant is ahead of another, in Elo points."""

    first: str
    second: str
    mean: float
    sd: float
    eti_50: Interval
    eti_94: Interval
    rope: float
    """Differences from `-rope` to `rope` count as equal in practice."""
    below: float
    """Probability that the second is ahead by more than `rope`."""
    inside: float
    above: float
    """Probability that the first is ahead by more than `rope`."""
    linked: bool
    """Whether votes link the two; if not, the difference is the prior's."""


def pairs(posterior: Posterior) -> Pairs:
    """All pairs."""
    size = len(posterior.contestants)
    superiority = np.full((size, size), 0.5)
    win = np.empty((size, size))
    quantiles = np.empty((size, size, len(PROBABILITIES)))
    # [contestants, draws]: the draws of a pair lie side by side, which is what sorting wants.
    strengths = np.ascontiguousarray(posterior.flat_strengths.T)
    worth, propensity = np.exp(strengths / 2), np.exp(posterior.tie.ravel())
    for i in range(size):
        # One row at a time: all pairs of a large field and all draws would not fit.
        superiority[i, i + 1 :] = (strengths[i] > strengths[i + 1 :]).mean(axis=1)
        superiority[i + 1 :, i] = (strengths[i] < strengths[i + 1 :]).mean(axis=1)
        wins, losses = _chances(posterior.spec.ties, worth[i] / worth[i:], propensity)
        win[i, i:], win[i:, i] = wins.mean(axis=1), losses.mean(axis=1)
        quantiles[i, i:], quantiles[i:, i] = _quantiles(wins), _quantiles(losses)
    tie = 1 - win - win.T
    for array in (superiority, win, tie, quantiles):
        array[~posterior.linked] = np.nan
    return Pairs(superiority, win, quantiles[..., [1, 2]], quantiles[..., [0, 3]], tie)


def difference(posterior: Posterior, first: str, second: str, rope: float = ROPE_ELO) -> Difference:
    """Of the ratings of two contestants.

    `rope`: in Elo points; zero asks only who is ahead. Raises RatingsError for an unknown name or
    a negative `rope`.
    """
    if not rope >= 0:
        raise RatingsError(f"a region of practical equivalence of {rope} points; give 0 or more")
    i, j = posterior.index(first), posterior.index(second)
    strengths = posterior.flat_strengths
    ahead = ELO_PER_NAT * (strengths[:, i] - strengths[:, j])
    eti_50, eti_94 = intervals(ahead)
    below, above = float((ahead < -rope).mean()), float((ahead > rope).mean())
    return Difference(
        first=first,
        second=second,
        mean=float(ahead.mean()),
        sd=float(ahead.std(ddof=1)),
        eti_50=eti_50,
        eti_94=eti_94,
        rope=rope,
        below=below,
        inside=1 - below - above,
        above=above,
        linked=bool(posterior.linked[i, j]),
    )


def _chances(ties: Ties, ratio: FloatArray, tie: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chances that the first wins and that the second does; see `outcomes` for the formulas.

    `ratio`: exp(eta / 2); `tie`: exp of the tie parameter. With exponentials of single strengths
    and not of differences, this is several times faster than `outcome_probabilities`.
    """
    squared = ratio * ratio
    if ties == "rao-kupper":
        return squared / (squared + 1 + tie), 1 / (1 + (1 + tie) * squared)
    losses = 1 / (1 + squared if ties == "bradley-terry" else 1 + tie * ratio + squared)
    return squared * losses, losses


def _quantiles(draws: FloatArray) -> FloatArray:
    """[pairs, 4], quantiles at `PROBABILITIES` over the last axis of `draws` [pairs, draws].

    By a sort in single precision, several times faster than `numpy.quantile` and right to seven
    digits, which no share of votes needs.
    """
    ordered = np.sort(draws.astype(np.float32), axis=-1)
    places = np.array(PROBABILITIES) * (ordered.shape[-1] - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, ordered.shape[-1] - 1)
    low, high = ordered[:, below].astype(float), ordered[:, above].astype(float)
    return np.asarray(low + (places - below) * (high - low))
