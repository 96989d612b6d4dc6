"""How much is asked of a member."""

from __future__ import annotations

import asyncio
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from rostra.gateway.members.settings import MemberSettings


class Limits:
    """Requests at once, requests in any minute, and what the member itself has asked for."""

    def __init__(self, settings: MemberSettings) -> None:
        self.running = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._most = settings.max_concurrent or math.inf
        self._held_until = 0.0
        self._per_minute = (
            RateLimitItemPerMinute(settings.requests_per_minute)
            if settings.requests_per_minute
            else None
        )
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @property
    def wait(self) -> float:
        """Seconds until one more may begin: 0 now; inf when another has ended."""
        if self.running >= self._most:
            return math.inf
        return max(0.0, self._held_until - time.monotonic(), self._window())

    def begin(self) -> None:
        self.running += 1
        self.idle.clear()
        if self._per_minute is not None:
            self._limiter.hit(self._per_minute)

    def end(self) -> None:
        self.running -= 1
        if not self.running:
            self.idle.set()

    def hold(self, seconds: float) -> None:
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _window(self) -> float:
        if self._per_minute is None or self._limiter.test(self._per_minute):
            return 0.0
        return self._limiter.get_window_stats(self._per_minute).reset_time - time.time()
