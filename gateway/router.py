"""Which member of the mesh answers a request."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from rostra.gateway.errors import (
    ApiError,
    all_busy,
    deadline_exceeded,
    model_not_found,
    unavailable,
)
from rostra.gateway.fleet import Fleet
from rostra.gateway.link import Link

Refusal = Callable[[Link], ApiError | None]
"""What a member would answer to a request that asks what it does not take."""


def takes_everything(link: Link) -> None:
    """The refusal of a request that nobody refuses."""


class Router:
    """Power of two choices (Mitzenmacher 2001): of two random workers, the one with less to do.

    Asking only two keeps gateways that share a fleet from all running to the same idle worker.
    Other servers get their share of requests, or those that no worker can take.
    """

    def __init__(self, fleet: Fleet, worker_wait: float, rng: random.Random | None = None) -> None:
        self._fleet = fleet
        self.worker_wait = worker_wait
        self._rng = rng or random.Random()

    def choose(
        self, model: str, avoid: Collection[str] = (), refusal: Refusal = takes_everything
    ) -> Link | None:
        """A serving member that has the model and takes one more request, one not in `avoid` if
        there is one."""
        serving = [
            link for link in self._fleet.serving(model) if link.wait == 0 and refusal(link) is None
        ]
        candidates = [link for link in serving if link.address not in avoid] or serving
        if any(link.external for link in candidates):
            candidates = self._by_share(candidates)
        if not candidates:
            return None
        pair = self._rng.sample(candidates, min(2, len(candidates)))
        return min(pair, key=lambda link: (link.pending_requests, link.load.queued_tokens))

    async def acquire(
        self,
        model: str,
        avoid: Collection[str],
        remaining: float | None,
        refusal: Refusal = takes_everything,
    ) -> Link:
        """As `choose`, but waits a while for a member; `remaining` are seconds to the deadline.

        Raises ApiError: the model is unknown (404), nobody who has it takes such a request (400),
        all who serve it have as many as they take (429), or nobody serves it now (503, or 504 when
        the deadline came first).
        """
        wait = self.worker_wait if remaining is None else min(remaining, self.worker_wait)
        until = time.monotonic() + wait
        while (link := self.choose(model, avoid, refusal)) is None:
            self._check_hope(model, refusal)
            busy = [one.wait for one in self._fleet.serving(model) if refusal(one) is None]
            soonest = min(busy, default=0.0)
            left = until - time.monotonic()
            if left <= 0 or (left < soonest < math.inf):
                if busy:
                    retry_after = soonest if soonest < math.inf else 1.0
                    raise self._not_now(model, refusal)(retry_after)
                if wait == remaining:
                    raise deadline_exceeded()
                raise unavailable(f"No worker serves the model '{model}' at this moment")
            with suppress(TimeoutError):
                await self._fleet.wait_for_change(min([left, *busy]))
        return link

    def some_take_images(self, model: str) -> bool:
        return any(model in link.models and link.models[model].takes_images for link in self._fleet)

    def _check_hope(self, model: str, refusal: Refusal) -> None:
        """Raises ApiError where waiting is of no use."""
        if not self._fleet.may_serve(model):
            raise model_not_found(model)
        reasons = [refusal(link) for link in self._fleet if model in link.models]
        refusals = [reason for reason in reasons if reason is not None]
        if refusals and len(refusals) == len(reasons):
            raise refusals[0]

    def _not_now(self, model: str, refusal: Refusal) -> Callable[[float], ApiError]:
        """What to say where members serve the model and none takes a request."""
        waiting = [link for link in self._fleet.serving(model) if refusal(link) is None]
        if all(link.breaker is not None and link.breaker.fault for link in waiting):
            return partial(unavailable, f"Every worker of the model '{model}' has failed of late")
        return all_busy

    def _by_share(self, candidates: list[Link]) -> list[Link]:
        """Those among whom the load decides: all workers, or one other server."""
        sharing = [link for link in candidates if link.share]
        if not sharing:
            return candidates
        drawn = self._rng.choices(sharing, [link.share for link in sharing])[0]
        return [drawn] if drawn.external else [link for link in sharing if not link.external]
