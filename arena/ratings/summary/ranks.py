"""Which rank each contestant may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.summary.intervals import PROBABILITIES, FloatArray

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks 1 (strongest) to the number of contestants, over the draws."""

    distribution: FloatArray
    """[contestants, ranks], probability of each rank; rows sum to one."""
    best: NDArray[np.int64]
    """[contestants]; between `best` and `worst` lies at least 94 % of the draws, and less than
    3 % on either side."""
    worst: NDArray[np.int64]
    """[contestants]"""

    @property
    def p_best(self) -> FloatArray:
        """[contestants], probability that no other is stronger."""
        return self.distribution[:, 0]

    def p_top(self, k: int) -> FloatArray:
        """[contestants], probability of a rank of `k` or better."""
        return np.asarray(self.distribution[:, :k].sum(axis=1))

    @property
    def expected(self) -> FloatArray:
        """[contestants], posterior mean of the rank."""
        return self.distribution @ np.arange(1, self.distribution.shape[1] + 1)


def ranks(posterior: Posterior) -> Ranks:
    """Ranks in every draw of the whole field, contestants without a vote among them."""
    # Slow to import, and a server reads ranks that were computed before.
    from scipy.stats import rankdata

    strengths = posterior.flat_strengths
    draws, size = strengths.shape
    by_draw = rankdata(-strengths, axis=1, method="min").astype(np.int64)
    cells = np.arange(size) * size + by_draw - 1
    counts = np.bincount(cells.ravel(), minlength=size * size).reshape(size, size)
    # A quantile that is itself a rank some draw has, not a point between two of them.
    best, worst = np.quantile(
        by_draw, [PROBABILITIES[0], PROBABILITIES[-1]], axis=0, method="inverted_cdf"
    )
    return Ranks(counts / draws, best.astype(np.int64), worst.astype(np.int64))
