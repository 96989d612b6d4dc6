"""How much is asked of a member."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from pyrate_limiter import (
    Duration,
    InMemoryBucket,
    MonotonicClock,
    Rate,
    RateItem,
    SlidingWindowLog,
)

from rostra.gateway.members.settings import MemberSettings


class Limits:
    """Requests at once, requests in any minute, and what the member itself has asked for."""

    def __init__(self, settings: MemberSettings) -> None:
        self.running = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._most = settings.max_concurrent or math.inf
        self._held_until = 0.0
        most = settings.requests_per_minute
        self._window = _Window(most, MonotonicClock().now) if most else None

    @property
    def wait(self) -> float:
        """Seconds until one more may begin: 0 now; inf when another has ended."""
        if self.running >= self._most:
            return math.inf
        window = 0.0 if self._window is None else self._window.wait
        return max(0.0, self._held_until - time.monotonic(), window)

    @property
    def room(self) -> float:
        """Requests that may begin now; inf without any limit."""
        if time.monotonic() < self._held_until:
            return 0.0
        window = math.inf if self._window is None else self._window.room
        return max(0.0, min(self._most - self.running, window))

    def begin(self) -> None:
        self.running += 1
        self.idle.clear()
        if self._window is not None:
            self._window.count()

    def end(self) -> None:
        self.running -= 1
        if not self.running:
            self.idle.set()

    def hold(self, seconds: float) -> None:
        self._held_until = max(self._held_until, time.monotonic() + seconds)


class _Window:
    """Requests of the last minute. A window, and no bucket: no minute has more, whenever it
    begins."""

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        """`now`: milliseconds."""
        self._rate = Rate(most, Duration.MINUTE)
        self._requests = InMemoryBucket([self._rate])
        self._now = now

    def count(self) -> None:
        self._requests.put(RateItem("request", int(self._now())))

    @property
    def room(self) -> int:
        """Requests that there may be now."""
        self._requests.leak(int(self._now()))
        return self._rate.limit - self._requests.count()

    @property
    def wait(self) -> float:
        """Seconds until there may be one more."""
        now = int(self._now())
        self._requests.leak(now)
        # Of those that fill the window, the one that leaves it first.
        first = self._requests.peek(self._rate.limit - 1)
        if first is None:
            return 0.0
        return SlidingWindowLog().retry_after(self._rate, now, first.timestamp) / 1000
