"""How many further dispatches there may be, so that an outage is not multiplied."""

from __future__ import annotations

import time
from collections.abc import Callable

from rostra.gateway.failover.settings import FailoverSettings


class RetryBudget:
    """A token bucket that each request fills a little, and each further dispatch takes one from.

    When everything fails, retries are so at most `retry_ratio` of the requests and `retry_rate` a
    second, instead of `max_attempts` times the load that brought the workers down. It is full at
    first.
    """

    def __init__(
        self, settings: FailoverSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = settings.retry_burst
        self._filled = clock()

    def deposit(self) -> None:
        """A request has come."""
        self._fill(self._settings.retry_ratio)

    def withdraw(self) -> bool:
        """Whether it may be dispatched once more."""
        self._fill(0.0)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self, more: float) -> None:
        now = self._clock()
        more += (now - self._filled) * self._settings.retry_rate
        self._filled = now
        self._tokens = min(self._settings.retry_burst, self._tokens + more)


class RetryBudgets:
    """One for each model, so that the outage of one leaves the others theirs."""

    def __init__(self, settings: FailoverSettings) -> None:
        self._settings = settings
        self._budgets: dict[str, RetryBudget] = {}

    def of(self, model: str) -> RetryBudget:
        """`model` is a name that a worker gave itself, never one of a client's choosing."""
        budget = self._budgets.get(model)
        if budget is None:
            budget = self._budgets[model] = RetryBudget(self._settings)
        return budget
