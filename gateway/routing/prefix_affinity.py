"""Prefix affinity with a load bound."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rostra.gateway.routing.load_bound import with_room
from rostra.gateway.routing.policy import Affinity, CandidateT, by_load
from rostra.gateway.routing.power_of_two import lighter_of_two
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.gateway.routing.rendezvous import score


class PrefixAffinity:
    """Where most of the prompt is cached already, unless too much waits there."""

    def __init__(
        self, rng: random.Random, index: PrefixIndex, load_bound: float, free_requests: int
    ) -> None:
        self._rng = rng
        self._index = index
        self._load_bound = load_bound
        self._free_requests = free_requests

    def choose(self, candidates: Sequence[CandidateT], affinity: Affinity) -> CandidateT:
        room = with_room(candidates, self._load_bound, self._free_requests)
        by_address = {one.address: one for one in room}
        _, holders = self._index.longest(affinity.keys, by_address.keys())
        among = [by_address[address] for address in sorted(holders)] or room
        session = affinity.session
        if session is None or not affinity.keys:
            # Too short for anything of it to be worth finding again.
            return lighter_of_two(among, self._rng)
        # Among equals those that other gateways would take, too.
        among.sort(key=lambda one: score(session, one.address), reverse=True)
        return min(among[:2], key=by_load)

    def dispatched(self, address: str, affinity: Affinity) -> None:
        self._index.add(address, affinity.keys)
