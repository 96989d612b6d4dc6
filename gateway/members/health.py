"""Whether a member can be asked."""

from __future__ import annotations

import random

_FIRST_PAUSE = 1.0


class Health:
    """A circuit breaker: several failures in a row, or one that says all, and it is open; after a
    pause that doubles each time the member is tried again, and then one more failure opens it."""

    def __init__(
        self, max_failures: int, longest_pause: float, rng: random.Random | None = None
    ) -> None:
        self.fault = ""
        """Why it is open; empty while it is closed."""
        self._max_failures = max_failures
        self._longest_pause = longest_pause
        self._rng = rng or random.Random()
        self._failures = 0
        self._openings = 0

    def succeeded(self) -> None:
        self._failures = self._openings = 0

    def failed(self, fault: str, *, gone: bool = False) -> bool:
        """Whether it is open by that."""
        self._failures += 1
        if self.fault or not (gone or self._failures >= self._max_failures):
            return False
        self.fault = fault
        self._openings += 1
        return True

    def pause(self) -> float:
        """Seconds until it is to be tried again."""
        pause = _FIRST_PAUSE * 2.0 ** min(self._openings - 1, 10)
        return min(pause, self._longest_pause) * self._rng.uniform(0.75, 1.25)

    def tried(self, fault: str = "") -> None:
        """What the try has shown: the fault, or none."""
        if fault:
            self._openings += 1
        elif self.fault:
            self._failures = self._max_failures - 1
        self.fault = fault
