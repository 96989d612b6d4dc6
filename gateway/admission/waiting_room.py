"""Where the requests of one model wait for room at a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from rostra.gateway.admission.fair_queue import FairQueue, Waiting
from rostra.gateway.admission.service_rate import ServiceRate
from rostra.gateway.admission.settings import AdmissionSettings
from rostra.gateway.errors import ApiError, deadline_exceeded

LOOK_INTERVAL = 0.02
"""Seconds between two looks for room while somebody waits: workers tell how they are by readings,
not by events."""

Done = asyncio.Future[ApiError | None]


@dataclass(eq=False)
class Entrant:
    """A request that wants to a worker."""

    flow: str
    """Whose it is."""
    weight: float
    priority: int
    cost: float
    """Tokens, as estimated."""
    dispatched: Callable[[], bool]
    """Whether the workers' load counts it by now."""
    done: Done = field(init=False)


class WaitingRoom:
    """Where its members have no room, a request waits; one after the other has its turn."""

    def __init__(
        self,
        settings: AdmissionSettings,
        free: Callable[[], float],
        soonest: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`free`: requests that there is room for now; a large number where that is not known, and
        where none is serving, since then nothing is to be waited for here. `soonest`: seconds
        before which nobody takes one in any case, as far as that is known."""
        self._settings = settings
        self._free = free
        self._soonest = soonest
        self._queue: FairQueue[Entrant] = FairQueue(settings.queue_size)
        self._rate = ServiceRate()
        self._underway: list[Entrant] = []
        """Let in, and not yet in the load of a worker."""
        self._changed = asyncio.Event()
        self._doorkeeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    async def enter(self, entrant: Entrant, remaining: float | None) -> None:
        """Returns when the request may go on; `remaining` are seconds to its deadline.

        Raises ApiError: the queue is full, it would come too late or waited too long (429), or its
        deadline came (504).
        """
        if not self._queue and self._has_room():
            self._queue.pass_by(entrant.flow, entrant.weight, entrant.cost)
            self._underway.append(entrant)
            return
        timeout = self._settings.queue_timeout
        patience = timeout if remaining is None else min(remaining, timeout)
        expected = self._expected_wait(entrant)
        if expected is not None and expected > patience:
            raise _too_late(expected, patience)
        await self._wait(entrant, patience, expected, by_deadline=patience == remaining)

    def left(self, entrant: Entrant, difference: float) -> None:
        """A request that was let in has ended; it took `difference` tokens beyond its estimate."""
        with suppress(ValueError):
            self._underway.remove(entrant)
        self._queue.correct(entrant.flow, entrant.weight, difference)
        self._changed.set()

    def close(self) -> None:
        if self._doorkeeper is not None:
            self._doorkeeper.cancel()

    async def _wait(
        self, entrant: Entrant, patience: float, expected: float | None, *, by_deadline: bool
    ) -> None:
        entrant.done = asyncio.get_running_loop().create_future()
        if not self._queue:
            self._rate.began(time.monotonic())
        waiting, dropped = self._queue.put(
            entrant.flow, entrant.weight, entrant.priority, entrant.cost, entrant
        )
        retry_after = expected or 1.0
        if dropped is not None and not dropped.item.done.done():
            dropped.item.done.set_result(queue_full(retry_after))
        if self._doorkeeper is None or self._doorkeeper.done():
            self._doorkeeper = asyncio.create_task(self._keep_door())
        try:
            async with asyncio.timeout(patience):
                refusal = await entrant.done
        except TimeoutError:
            self._give_up(waiting)
            if by_deadline:
                raise deadline_exceeded() from None
            raise _waited_too_long(patience, retry_after) from None
        except asyncio.CancelledError:
            self._give_up(waiting)
            raise
        if refusal is not None:
            raise refusal

    def _give_up(self, waiting: Waiting[Entrant]) -> None:
        if not self._queue.remove(waiting):
            # It was let in just when it gave up.
            self.left(waiting.item, -waiting.cost)

    async def _keep_door(self) -> None:
        """Lets in whoever is next, for as long as anybody waits."""
        while self._queue:
            while self._queue and self._has_room():
                entrant = self._queue.take().item
                self._rate.served(time.monotonic(), more=bool(self._queue))
                self._underway.append(entrant)
                if not entrant.done.done():
                    entrant.done.set_result(None)
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_INTERVAL)
        self._rate.ended()

    def _has_room(self) -> bool:
        free = self._free()
        if self._underway:
            self._underway = [each for each in self._underway if not each.dispatched()]
        return free > len(self._underway)

    def _expected_wait(self, entrant: Entrant) -> float | None:
        ahead = self._queue.ahead(entrant.flow, entrant.weight, entrant.priority)
        by_pace, soonest = self._rate.wait(ahead, time.monotonic()), self._soonest()
        return max(by_pace or 0.0, soonest) if soonest else by_pace


def queue_full(retry_after: float) -> ApiError:
    return ApiError(
        429,
        "The queue of this model is full; come back later",
        kind="rate_limit_error",
        code="queue_full",
        retry_after=retry_after,
    )


def _too_late(expected: float, patience: float) -> ApiError:
    return ApiError(
        429,
        f"The request would wait about {expected:.1f} s for its turn, and has {patience:.1f} s for "
        "that; come back later",
        kind="rate_limit_error",
        code="deadline_unreachable",
        retry_after=expected - patience,
    )


def _waited_too_long(patience: float, retry_after: float) -> ApiError:
    return ApiError(
        429,
        f"The request waited {patience:g} s and its turn did not come; come back later",
        kind="rate_limit_error",
        code="queue_timeout",
        retry_after=retry_after,
    )
