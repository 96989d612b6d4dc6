"""Round robin."""

from __future__ import annotations

from collections.abc import Sequence

from rostra.gateway.routing.policy import Affinity, CandidateT


class RoundRobin:
    """Each in turn, in the order of their addresses, whatever their load."""

    def __init__(self) -> None:
        self._last = ""

    def choose(self, candidates: Sequence[CandidateT], affinity: Affinity) -> CandidateT:
        later = [one for one in candidates if one.address > self._last]
        return min(later or candidates, key=lambda one: one.address)

    def dispatched(self, address: str, affinity: Affinity) -> None:
        self._last = address
