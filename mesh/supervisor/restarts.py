"""How long to wait before what has ended is started again."""

from __future__ import annotations

import time

FIRST_BACKOFF = 0.5
MAX_BACKOFF = 30.0
"""Seconds, both."""


class Restarts:
    """Pauses that double, up to `MAX_BACKOFF`; what ran for long enough begins with the first."""

    def __init__(self, steady_after: float) -> None:
        """`steady_after`: seconds."""
        self._steady_after = steady_after
        self._next = FIRST_BACKOFF
        self._began = time.monotonic()

    def started(self) -> None:
        self._began = time.monotonic()

    def pause(self) -> float:
        """Seconds to wait, now that it has ended."""
        if time.monotonic() - self._began >= self._steady_after:
            self._next = FIRST_BACKOFF
        pause = self._next
        self._next = min(2 * pause, MAX_BACKOFF)
        return pause
