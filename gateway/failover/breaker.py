"""Whether a member that is there and healthy by its own account answers what it is asked."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from rostra.gateway.failover.faults import Fault
from rostra.gateway.failover.settings import FailoverSettings

State = Literal["closed", "open", "half-open"]

_SLOTS = 10
"""Of the window; each is forgotten as a whole."""


class Breaker:
    """A circuit breaker (Nygard 2007) on the share of calls that failed of late.

    Closed, everything passes. When enough calls of the window failed, or one by a fault that
    lasts, it opens for a pause with jitter, in which nothing passes. Then it is
    half-open: one call passes, and how that goes closes it or opens it again for twice as long.
    """

    def __init__(
        self,
        settings: FailoverSettings,
        on_change: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_change` is called when calls may pass that could not."""
        self.fault = ""
        """Of the call that opened it; empty while it is closed."""
        self._settings = settings
        self._on_change = on_change
        self._rng = rng or random.Random()
        self._clock = clock
        self._window = _Window(settings.breaker_window)
        self._until = 0.0
        self._pause = settings.breaker_pause
        self._probe: Trial | None = None

    @property
    def state(self) -> State:
        if not self.fault:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"

    @property
    def wait(self) -> float:
        """Seconds until a call may pass: 0 now, inf when the one that tries has ended."""
        if not self.fault:
            return 0.0
        left = self._until - self._clock()
        if left > 0:
            return left
        return math.inf if self._probe is not None else 0.0

    def begin(self) -> Trial:
        """A call that passes, to be ended."""
        trial = Trial(self)
        if self.state == "half-open" and self._probe is None:
            self._probe = trial
        return trial

    def reset(self) -> None:
        """Forgets everything: who answers now is not who failed."""
        self._window.clear()
        self._close()

    def _answered(self, trial: Trial) -> None:
        if trial is self._probe:
            self._window.clear()
            self._close()

    def _ended(self, trial: Trial, fault: Fault | None, *, telling: bool = True) -> None:
        """`fault` is None for a call that was answered; `telling`: whether it says anything."""
        now = self._clock()
        if trial is self._probe:
            self._probe = None
            if fault is not None:
                self._pause = min(2 * self._pause, self._settings.breaker_longest_pause)
                self._open(fault, now)
            elif not telling:
                self._on_change()
            return
        if not telling or self.fault:
            return
        self._window.add(now, failed=fault is not None)
        if fault is not None and (fault.lasting or self._failed_enough(now)):
            self._open(fault, now)

    def _failed_enough(self, now: float) -> bool:
        calls, failures = self._window.counts(now)
        enough = calls >= self._settings.breaker_min_calls
        return enough and failures >= self._settings.breaker_ratio * calls

    def _open(self, fault: Fault, now: float) -> None:
        self.fault = fault.text
        # Gateways that opened together do not all try at the same moment.
        self._until = now + self._pause * self._rng.uniform(0.75, 1.25)

    def _close(self) -> None:
        was_open, self.fault = bool(self.fault), ""
        self._probe = None
        self._pause = self._settings.breaker_pause
        if was_open:
            self._on_change()


class Trial:
    """One call, as its breaker sees it. What ends it first counts."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._answered = False
        self._ended = False

    def answered(self) -> None:
        """A part of the answer has come. That is enough for one that tries a worker again: answers
        may take minutes."""
        if not self._answered and not self._ended:
            self._answered = True
            self._breaker._answered(self)

    def succeeded(self) -> None:
        self.answered()
        self._end(None)

    def failed(self, fault: Fault) -> None:
        self._end(fault)

    def abandon(self) -> None:
        """It says nothing of the member: a client's mistake, or a client that has gone."""
        self._end(None, telling=False)

    def _end(self, fault: Fault | None, *, telling: bool = True) -> None:
        if not self._ended:
            self._ended = True
            self._breaker._ended(self, fault, telling=telling)


class _Window:
    """Counts of calls and of failures in the last so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLOTS
        self._slots: deque[list[int]] = deque()
        """[number of the slot, calls, failures]"""

    def add(self, now: float, *, failed: bool) -> None:
        number = int(now / self._width)
        if not self._slots or self._slots[-1][0] != number:
            self._slots.append([number, 0, 0])
        self._slots[-1][1] += 1
        self._slots[-1][2] += failed
        self._forget(number)

    def counts(self, now: float) -> tuple[int, int]:
        self._forget(int(now / self._width))
        return sum(slot[1] for slot in self._slots), sum(slot[2] for slot in self._slots)

    def clear(self) -> None:
        self._slots.clear()

    def _forget(self, number: int) -> None:
        while self._slots and self._slots[0][0] <= number - _SLOTS:
            self._slots.popleft()
