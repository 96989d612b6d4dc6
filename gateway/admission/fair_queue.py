"""Who is next, so that everybody gets a fair share.

Start-time fair queueing (Goyal, Vin and Cheng 1996), one flow for each caller and tokens in the
place of bits: a flow's next request starts, in virtual time, where the one before it ended, and no
earlier than the request served last has started; the one that starts first is served first. A
request's length is its tokens, divided by its flow's weight. Of two flows that both wait all the
time, none gets more than one request of each ahead of its share. A flow that was silent saves
nothing up, and one that asks for more than its share waits longer by itself.

What an answer takes is known when it has ended. Then its flow's end moves by what the estimate was
wrong, as the virtual counters of Sheng et al. 2024 do ("Fairness in Serving Large Language
Models").

A better priority goes first, whatever the shares; what it takes counts all the same.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Generic, TypeVar

T = TypeVar("T")

_TIDY_AT = 1000
"""Flows, from which on those that say nothing are forgotten."""


@dataclass(eq=False)
class Waiting(Generic[T]):
    """A request that waits."""

    flow: str
    weight: float
    cost: float
    """Tokens, as estimated."""
    rank: tuple[int, int]
    """Priority, where lower is better, and arrival."""
    item: T

    @property
    def priority(self) -> int:
        return self.rank[0]


@dataclass(eq=False)
class _Flow(Generic[T]):
    end: float
    """Virtual time at which what was served of it ends."""
    waiting: list[Waiting[T]] = field(default_factory=list)
    """By rank."""


class FairQueue(Generic[T]):
    """Holds at most `size` requests."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._flows: dict[str, _Flow[T]] = {}
        self._now = 0.0
        """Virtual time: the start of what was served last."""
        self._length = 0
        self._arrivals = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Waiting[T]]:
        """In no order of service."""
        for flow in self._flows.values():
            yield from flow.waiting

    def pass_by(self, flow: str, weight: float, cost: float) -> None:
        """Counts what is served without waiting, which is right where nothing waits."""
        self._serve(self._flow(flow), weight, cost)

    def put(
        self, flow: str, weight: float, priority: int, cost: float, item: T
    ) -> tuple[Waiting[T], Waiting[T] | None]:
        """The new request, and the one that has to leave in its place where the queue is full: the
        newest of the flow that has the most. That may be the new one itself (longest queue drop,
        Suter et al. 1998), so that nobody fills the queue for others."""
        self._arrivals += 1
        new = Waiting(flow, weight, cost, (priority, self._arrivals), item)
        insort(self._flow(flow).waiting, new, key=attrgetter("rank"))
        self._length += 1
        if self._length <= self._size:
            return new, None
        longest = max(
            self._flows.values(), key=lambda each: (len(each.waiting), new in each.waiting)
        )
        # The worst of its priorities, and there the newest.
        dropped = longest.waiting[-1]
        self.remove(dropped)
        return new, dropped

    def take(self) -> Waiting[T]:
        """The next request. Raises IndexError where nothing waits."""
        heads = [flow for flow in self._flows.values() if flow.waiting]
        if not heads:
            raise IndexError("nothing waits")
        # Between equals, who has waited longest.
        chosen = min(
            heads,
            key=lambda flow: (
                flow.waiting[0].priority,
                max(flow.end, self._now),
                flow.waiting[0].rank,
            ),
        )
        served = chosen.waiting.pop(0)
        self._length -= 1
        self._serve(chosen, served.weight, served.cost)
        return served

    def remove(self, waiting: Waiting[T]) -> bool:
        """Whether it still waited."""
        flow = self._flows.get(waiting.flow)
        if flow is None or waiting not in flow.waiting:
            return False
        flow.waiting.remove(waiting)
        self._length -= 1
        return True

    def correct(self, flow: str, weight: float, difference: float) -> None:
        """Tokens that a request took beyond its estimate; negative where it took less."""
        known = self._flows.get(flow)
        if known is not None:
            known.end += difference / weight

    def ahead(self, flow: str, weight: float, priority: int) -> int:
        """About how many of those that wait would be served before one that came now."""
        own = self._flows.get(flow)
        before_it = sum(each.priority <= priority for each in own.waiting) if own else 0
        rounds = (before_it + 1) / weight
        total = before_it
        for name, other in self._flows.items():
            if name == flow or not other.waiting:
                continue
            better = sum(each.priority < priority for each in other.waiting)
            equal = sum(each.priority == priority for each in other.waiting)
            total += better + min(equal, math.ceil(rounds * other.waiting[0].weight))
        return total

    def _flow(self, name: str) -> _Flow[T]:
        flow = self._flows.get(name)
        if flow is None:
            if len(self._flows) >= _TIDY_AT:
                self._tidy()
            flow = self._flows[name] = _Flow(self._now)
        return flow

    def _serve(self, flow: _Flow[T], weight: float, cost: float) -> None:
        start = max(flow.end, self._now)
        flow.end = start + cost / weight
        if self._length:
            # Who was served for a better priority may start later than others that wait. Time that
            # went beyond those would take from them what they are ahead of each other.
            others = [each.end for each in self._flows.values() if each.waiting]
            start = min(start, *others)
        self._now = max(self._now, start)

    def _tidy(self) -> None:
        """Forgets flows that nothing is to be held against, and then those of the least debt."""
        silent = {name: flow for name, flow in self._flows.items() if not flow.waiting}
        settled = [name for name, flow in silent.items() if flow.end <= self._now]
        forgotten = settled or sorted(silent, key=lambda name: silent[name].end)[: _TIDY_AT // 2]
        for name in forgotten:
            del self._flows[name]
