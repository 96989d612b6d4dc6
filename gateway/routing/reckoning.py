"""How many requests a worker has, between two of its reports.

A gateway knows what it sent itself, and not what others did. Where all see the same worker idle,
or the same one with a prompt in its cache, each fills it alone, and together they send it as many
times too much as there are of them. So what one sends counts for all of them.
"""

from __future__ import annotations

import math

_MEMORY = 10.0
"""Seconds in which what was seen of the traffic loses most of its weight."""
_DOUBT = 10.0
"""Requests before which a gateway takes itself to be alone."""
_MOST = 8.0
"""That one request counts for, so that one of very many gateways still spreads its own."""


class Traffic:
    """How many requests workers get, from whomever, for one that this gateway sends."""

    def __init__(self) -> None:
        self.factor = 1.0
        self._arrived = 0.0
        self._sent = 0.0
        self._since = -math.inf

    def note(self, arrived: int, sent: int, now: float) -> None:
        """Some worker got so many between two reports, and so many of them from here."""
        kept = math.exp(min(0.0, self._since - now) / _MEMORY)
        self._since = now
        self._arrived = kept * self._arrived + arrived
        self._sent = kept * self._sent + sent
        factor = (self._arrived + _DOUBT) / (self._sent + _DOUBT)
        self.factor = min(max(1.0, factor), _MOST)


class Reckoning:
    """Of one worker."""

    def __init__(self, traffic: Traffic) -> None:
        self.pending = 0
        """Requests at it, those included that others sent meanwhile if they do as this gateway."""
        self.known = 0
        """Those that its last report and this gateway's own tell of."""
        self._traffic = traffic
        self._reported = 0
        self._sent = 0
        self._ended = 0
        self._arrived: int | None = None

    def sent(self) -> None:
        self._sent += 1
        self._count()

    def ended(self) -> None:
        """One that was sent is at its end."""
        self._ended += 1
        self._count()

    def report(self, pending: int, arrived: int, now: float) -> None:
        """`arrived`: since the worker's start. `now`: seconds of any clock that runs evenly."""
        # A count that fell is that of another process.
        if self._arrived is not None and arrived >= self._arrived:
            self._traffic.note(arrived - self._arrived, self._sent, now)
        self._arrived = arrived
        self._reported = pending
        self._sent = self._ended = 0
        self._count()

    def _count(self) -> None:
        left = self._reported - self._ended
        self.known = max(0, left + self._sent)
        self.pending = max(0, left + round(self._traffic.factor * self._sent))
