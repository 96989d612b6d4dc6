"""How fast a queue moves."""

from __future__ import annotations

_NEWEST = 0.2
"""Weight of the newest interval in the mean (exponential smoothing)."""
_ENOUGH = 5
"""Intervals, before anybody is refused for what they say."""


class ServiceRate:
    """Measured while requests wait: the pace of an idle system says nothing of a busy one."""

    def __init__(self) -> None:
        self._interval = 0.0
        self._count = 0
        self._last: float | None = None

    def served(self, now: float, *, more: bool) -> None:
        """One left the queue at `now`, in seconds; `more`: others still wait."""
        if self._last is not None:
            self._count += 1
            weight = max(_NEWEST, 1 / self._count)
            self._interval += weight * (now - self._last - self._interval)
        self._last = now if more else None

    def began(self, now: float) -> None:
        """The first one waits since `now`."""
        self._last = now

    def ended(self) -> None:
        """Nobody waits any more."""
        self._last = None

    def wait(self, ahead: int, now: float) -> float | None:
        """Seconds until one is served that has `ahead` before it; None where it is not known."""
        if self._count < _ENOUGH:
            return None
        since = 0.0 if self._last is None else now - self._last
        # What is due already is due now, however long the queue has stood still.
        return max(0.0, self._interval - since) + ahead * self._interval
