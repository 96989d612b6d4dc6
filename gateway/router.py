"""Which worker answers a request."""

from __future__ import annotations

import random
import time
from collections.abc import Collection

from rostra.gateway.errors import deadline_exceeded, model_not_found, unavailable
from rostra.gateway.fleet import Fleet
from rostra.gateway.worker_link import WorkerLink


class Router:
    """Power of two choices (Mitzenmacher 2001): of two random workers, the one with less to do.

    Asking only two keeps gateways that share a fleet from all running to the same idle worker.
    """

    def __init__(self, fleet: Fleet, worker_wait: float, rng: random.Random | None = None) -> None:
        self._fleet = fleet
        self._worker_wait = worker_wait
        self._rng = rng or random.Random()

    def choose(self, model: str, avoid: Collection[str] = ()) -> WorkerLink | None:
        """A serving worker of the model, one not in `avoid` if there is one."""
        serving = self._fleet.serving(model)
        candidates = [link for link in serving if link.address not in avoid] or serving
        if not candidates:
            return None
        pair = self._rng.sample(candidates, min(2, len(candidates)))
        return min(pair, key=lambda link: (link.pending_requests, link.load.queued_tokens))

    async def acquire(
        self, model: str, avoid: Collection[str], remaining: float | None
    ) -> WorkerLink:
        """As `choose`, but waits a while for a worker; `remaining` are seconds to the deadline.

        Raises ApiError: the model is unknown (404), or nobody serves it now (503, or 504 when the
        deadline came first).
        """
        wait = self._worker_wait if remaining is None else min(remaining, self._worker_wait)
        until = time.monotonic() + wait
        while (link := self.choose(model, avoid)) is None:
            if not self._fleet.may_serve(model):
                raise model_not_found(model)
            try:
                await self._fleet.wait_for_change(until - time.monotonic())
            except TimeoutError:
                if wait == remaining:
                    raise deadline_exceeded() from None
                raise unavailable(f"No worker serves the model '{model}' at this moment") from None
        return link
