"""Consistent hashing with bounded loads."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rostra.gateway.routing.load_bound import with_room
from rostra.gateway.routing.policy import Affinity, CandidateT
from rostra.gateway.routing.power_of_two import lighter_of_two
from rostra.gateway.routing.rendezvous import score


class ConsistentHash:
    """All requests of a session at one worker, which every gateway finds by itself; where it has
    no room, at the session's next one.

    A request that stands alone goes to the lighter of two.
    """

    def __init__(self, rng: random.Random, load_bound: float, free_requests: int) -> None:
        self._rng = rng
        self._load_bound = load_bound
        self._free_requests = free_requests

    def choose(self, candidates: Sequence[CandidateT], affinity: Affinity) -> CandidateT:
        room = with_room(candidates, self._load_bound, self._free_requests)
        session = affinity.session
        if session is None:
            return lighter_of_two(room, self._rng)
        return max(room, key=lambda one: score(session, one.address))

    def dispatched(self, address: str, affinity: Affinity) -> None:
        pass
