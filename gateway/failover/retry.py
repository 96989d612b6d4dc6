"""Whether, and when, a request whose worker was lost is dispatched once more."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc

from rostra.gateway.failover.faults import is_orderly
from rostra.gateway.grpc_errors import RETRY_ELSEWHERE, StatusDetails

if TYPE_CHECKING:
    from rostra.gateway.context import Exchange
    from rostra.gateway.dispatch import Dispatcher

_FIRST_BACKOFF = 0.05
"""Seconds; doubles with each further dispatch."""


class Retry:
    """Of one request. `has_other`: whether there is a member that was not asked yet."""

    def __init__(
        self, dispatcher: Dispatcher, exchange: Exchange, has_other: Callable[[], bool]
    ) -> None:
        self._dispatcher = dispatcher
        self._exchange = exchange
        self._has_other = has_other

    def pause(self, error: grpc.aio.AioRpcError, attempt: int, model: str) -> float | None:
        """Seconds before the next dispatch; None where there is to be none. `attempt` is the one
        that has failed, counted from 1."""
        pause = self._backoff(error, attempt)
        if pause is None or not self._may(error, attempt, model):
            return None
        self._dispatcher.metrics.failover.retries.labels(error.code().name).inc()
        return pause

    def _backoff(self, error: grpc.aio.AioRpcError, attempt: int) -> float | None:
        """None where the worker has asked for more than there is, and nobody else can be asked."""
        pause = _FIRST_BACKOFF * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)
        asked = StatusDetails(error).retry_delay
        if asked is None or self._has_other():
            return pause
        remaining = self._exchange.remaining()
        patience = self._dispatcher.router.worker_wait
        if asked > (patience if remaining is None else min(patience, remaining)):
            return None
        return max(pause, asked)

    def _may(self, error: grpc.aio.AioRpcError, attempt: int, model: str) -> bool:
        dispatcher, code = self._dispatcher, error.code()
        if code not in RETRY_ELSEWHERE or attempt >= dispatcher.max_attempts:
            return False
        # A full queue is no better a moment later; only a worker not asked yet may have room.
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and not self._has_other():
            return False
        if is_orderly(error) or dispatcher.budgets.of(model).withdraw():
            return True
        dispatcher.metrics.failover.not_retried.labels(model).inc()
        return False
