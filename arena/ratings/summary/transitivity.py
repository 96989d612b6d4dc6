"""Preferences that go round in circles: more of them than one strength for each would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.outcomes import outcome_probabilities

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
REPLICATIONS = 400
SEED = 20_260


@dataclass(frozen=True, eq=False)
class Transitivity:
    """Cyclic triads in the votes, and in votes that the model would give (a posterior predictive
    check; Gelman et al., Bayesian Data Analysis, 3rd ed., section 6.3)."""

    triads: int
    """Three contestants of whom each two met, neither scoring just as much as the other."""
    cyclic: int
    """Those in which each outscored the next, and the last the first (Kendall and Babington Smith
    1940, Biometrika 31)."""
    replicated: FloatArray
    """[replications], share of cyclic triads in replicated votes."""
    misfit: float
    """Share of replications whose pairs stray from the model at least as far as the votes do, by
    the sum of squared standardised residuals of the pairs' margins, each replication with its own
    draw. The share of cycles alone does not tell: among near equals half of all margins are chance,
    and the strengths that were fitted to them make replicated votes more orderly than the truth."""
    example: tuple[str, str, str] | None
    """The cycle whose closest pair is the most clearly decided: each beat the next."""

    @property
    def share(self) -> float:
        """NaN without triads."""
        return self.cyclic / self.triads if self.triads else float("nan")

    @property
    def excess(self) -> float:
        """Above the mean of the replicated shares."""
        return self.share - float(self.replicated.mean())

    @property
    def p_value(self) -> float:
        """Share of replications with at least as large a share of cyclic triads."""
        return float((self.replicated >= self.share).mean())


def transitivity(posterior: Posterior, replications: int = REPLICATIONS) -> Transitivity:
    """Of the votes of `posterior`, pooled over all but pairs and sides."""
    board, size = posterior.board.pooled, len(posterior.contestants)
    decided = board.decided
    observed = _margins(size, board.left, board.right, decided)
    triads, cyclic = count_triads(observed)
    rng = np.random.default_rng(SEED)
    strengths = posterior.strengths.reshape(-1, size)
    side, tie = posterior.side.ravel(), posterior.tie.ravel()
    met = decided.sum(axis=1)
    pairs = np.minimum(board.left, board.right) * size + np.maximum(board.left, board.right)
    replicated, further = np.zeros(replications), 0
    for number, draw in enumerate(rng.integers(0, len(strengths), replications)):
        eta = strengths[draw, board.left] - strengths[draw, board.right] + side[draw]
        chances = outcome_probabilities(posterior.spec.ties, eta, tie[draw])
        chances /= chances.sum(axis=1, keepdims=True)
        votes = rng.multinomial(met, chances)
        possible, round_ = count_triads(_margins(size, board.left, board.right, votes))
        replicated[number] = round_ / possible if possible else 0.0
        residuals = _Residuals(pairs, np.where(board.left < board.right, 1, -1), met, chances)
        further += residuals.squared(votes) >= residuals.squared(decided)
    example = _clearest(observed)
    return Transitivity(
        triads,
        cyclic,
        replicated,
        further / replications,
        None if example is None else tuple(posterior.contestants[i] for i in example),  # type: ignore[arg-type]
    )


class _Residuals:
    """Of the margins of pairs, whichever side their contestants stood on."""

    def __init__(self, pairs: IntArray, sign: IntArray, met: IntArray, chances: FloatArray) -> None:
        """`pairs`: [cells], number of the pair; `sign`: [cells], 1 where its first is left."""
        self._pairs, self._sign = pairs, sign
        mean = chances[:, 0] - chances[:, 2]
        self._expected = np.bincount(pairs, sign * met * mean)
        self._variance = np.bincount(pairs, met * (chances[:, 0] + chances[:, 2] - mean**2))

    def squared(self, votes: IntArray) -> float:
        """Sum of squared standardised residuals of `votes` [cells, 3]."""
        margin = np.bincount(self._pairs, self._sign * (votes[:, 0] - votes[:, 2]))
        varies = self._variance > 0
        residuals = (margin - self._expected)[varies] ** 2 / self._variance[varies]
        return float(residuals.sum())


def count_triads(margins: IntArray) -> tuple[int, int]:
    """Decided triads, and cyclic ones, of `margins` [contestants, contestants], antisymmetric."""
    # Whole numbers below 2^53, for which floating point is exact and fast.
    beats = (margins > 0).astype(float)
    decided = beats + beats.T
    return (
        round(float(((decided @ decided) * decided).sum()) / 6),
        round(float(((beats @ beats) * beats.T).sum()) / 3),
    )


def _margins(size: int, left: IntArray, right: IntArray, votes: IntArray) -> IntArray:
    """[size, size], votes for the row less votes for the column."""
    net = np.bincount(left * size + right, votes[:, 0] - votes[:, 2], minlength=size * size)
    matrix = net.reshape(size, size).astype(np.int64)
    return matrix - matrix.T


def _clearest(margins: IntArray) -> tuple[int, int, int] | None:
    best, found = 0, None
    for i in range(len(margins)):
        # i over j, j over k, k over i; i the first by number, so that each is seen once.
        least = np.minimum(margins[i, :, None], np.minimum(margins, margins[:, i][None, :]))
        least[:i], least[:, :i] = 0, 0
        at = int(np.argmax(least))
        if least.flat[at] > best:
            best = int(least.flat[at])
            found = (i, *(int(x) for x in np.unravel_index(at, least.shape)))
    return found  # type: ignore[return-value]
