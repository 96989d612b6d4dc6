"""Power of two choices."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rostra.gateway.routing.policy import Affinity, CandidateT, by_load


class PowerOfTwo:
    """Of two random workers, the one with less to do (Mitzenmacher 2001).

    Asking only two keeps gateways that share a fleet from all running to the same idle worker.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def choose(self, candidates: Sequence[CandidateT], affinity: Affinity) -> CandidateT:
        return lighter_of_two(candidates, self._rng)

    def dispatched(self, address: str, affinity: Affinity) -> None:
        pass


def lighter_of_two(candidates: Sequence[CandidateT], rng: random.Random) -> CandidateT:
    return min(rng.sample(candidates, min(2, len(candidates))), key=by_load)
