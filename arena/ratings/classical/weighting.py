"""How much each vote counts, when pairs should not count by how often they were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.errors import RatingsError

FloatArray = NDArray[np.float64]


class Weighting(Protocol):
    """From votes to weights. Weights depend on the pair alone, and have mean 1 over the votes."""

    def of_pairs(self, contestants: tuple[str, ...], votes: FloatArray) -> FloatArray:
        """[contestants, contestants], weight of a vote on each pair; symmetric.

        `votes` is the same shape and symmetric: how many votes each pair has.
        """
        ...


@dataclass(frozen=True)
class EqualPairs:
    """Each pair counts the same, however many votes it has: each vote 1 / max(votes, least).

    `least` keeps pairs that hardly met from counting as much as those that met often; arena-rank
    0.1.1 has 50 there.
    """

    least: int = 1

    def of_pairs(self, contestants: tuple[str, ...], votes: FloatArray) -> FloatArray:
        if self.least < 1:
            raise RatingsError(f"least is {self.least}; a pair has at least 1 vote")
        return _mean_one(1 / np.maximum(votes, self.least), votes)


@dataclass(frozen=True)
class PairMix:
    """Pairs count by given shares, for instance those of one's own traffic.

    `shares` by names, in either order; pairs that are not named do not count.
    """

    shares: Mapping[tuple[str, str], float]

    def of_pairs(self, contestants: tuple[str, ...], votes: FloatArray) -> FloatArray:
        index = {name: position for position, name in enumerate(contestants)}
        weights = np.zeros_like(votes)
        for (one, other), share in self.shares.items():
            if one not in index or other not in index or one == other:
                raise RatingsError(f"a share is given for {one!r} and {other!r}: no such pair")
            i, j = index[one], index[other]
            if share < 0 or not np.isfinite(share):
                raise RatingsError(f"the share of {one!r} and {other!r} is {share}")
            if share > 0 and votes[i, j] == 0:
                raise RatingsError(f"{one!r} and {other!r} have no votes that a share could weigh")
            if weights[i, j]:
                raise RatingsError(f"{one!r} and {other!r} have two shares")
            if share > 0:
                weights[i, j] = weights[j, i] = share / votes[i, j]
        if not weights.any():
            raise RatingsError("no pair has a share above zero")
        return _mean_one(weights, votes)


def _mean_one(weights: FloatArray, votes: FloatArray) -> FloatArray:
    total = (weights * votes).sum()
    return weights * (votes.sum() / total) if total else weights
