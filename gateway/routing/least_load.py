"""Least load."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rostra.gateway.routing.policy import Affinity, CandidateT, by_load


class LeastLoad:
    """Of all workers the one with least to do; of equals a random one.

    The best where one gateway has the fleet to itself. Several see the same idle worker, and all
    run to it until its next report.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def choose(self, candidates: Sequence[CandidateT], affinity: Affinity) -> CandidateT:
        least = min(map(by_load, candidates))
        return self._rng.choice([one for one in candidates if by_load(one) == least])

    def dispatched(self, address: str, affinity: Affinity) -> None:
        pass
