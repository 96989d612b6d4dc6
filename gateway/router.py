"""Which member of the mesh answers a request."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from rostra.gateway.errors import (
    ApiError,
    all_busy,
    deadline_exceeded,
    model_not_found,
    unavailable,
)
from rostra.gateway.fleet import Fleet
from rostra.gateway.link import Link
from rostra.gateway.routing.agreement import Agreement
from rostra.gateway.routing.caller import NOBODY, Caller
from rostra.gateway.routing.names import NamedModel, Names
from rostra.gateway.routing.policy import NOTHING_SHARED, Affinity, Policy
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.gateway.routing.route import Route
from rostra.gateway.routing.settings import PolicyName, RoutingSettings
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

Refusal = Callable[[Link, str], ApiError | None]
"""What a member would answer to a request that asks what it does not take, of this model."""

_BY_AFFINITY: frozenset[PolicyName] = frozenset({"prefix", "consistent_hash"})


def takes_everything(link: Link, model: str) -> None:
    """The refusal of a request that nobody refuses."""


class Router:
    """Draws the model where a name stands for several, and has a policy choose among its workers.

    Other servers get their share of requests, or those that no worker can take.
    """

    def __init__(
        self,
        fleet: Fleet,
        worker_wait: float,
        settings: RoutingSettings | None = None,
        models: Mapping[str, NamedModel] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._fleet = fleet
        self.worker_wait = worker_wait
        self._settings = settings or RoutingSettings()
        self._rng = rng or random.Random()
        self.names = Names(models or {})
        self.index = PrefixIndex(self._settings.index_keys)
        """What policies and the workers' own reports say of who has which prefix."""
        self._policies: dict[tuple[PolicyName, str], Policy] = {}

    def route(
        self,
        asked: str,
        request: Any = None,
        caller: Caller = NOBODY,
        agreement: Agreement | None = None,
    ) -> Route:
        """`asked`: the name of a model, as the client has it."""
        models = self.names.order(asked, caller)
        session = caller.session(self._settings.hash_on)
        return Route(asked, models, request, session, agreement)

    def choose(
        self, route: Route, avoid: Collection[str] = (), refusal: Refusal = takes_everything
    ) -> tuple[Link, str] | None:
        """A serving member that takes one more request, and the model that is asked of it: one not
        in `avoid` if there is one, and of the first model that anybody can take."""
        for avoided in (avoid, ()) if avoid else ((),):
            for model in route.models:
                candidates = [
                    link
                    for link in self._fleet.serving(model)
                    if link.address not in avoided
                    and link.wait == 0
                    and refusal(link, model) is None
                ]
                if candidates:
                    return self._choose_among(candidates, route, model), model
        return None

    async def acquire(
        self,
        route: Route,
        avoid: Collection[str],
        remaining: float | None,
        refusal: Refusal = takes_everything,
    ) -> tuple[Link, str]:
        """As `choose`, but waits a while for a member; `remaining` are seconds to the deadline.

        Raises ApiError: the model is unknown (404), nobody who has it takes such a request (400),
        all who serve it have as many as they take (429), or nobody serves it now (503, or 504 when
        the deadline came first).
        """
        wait = self.worker_wait if remaining is None else min(remaining, self.worker_wait)
        until = time.monotonic() + wait
        while (found := self.choose(route, avoid, refusal)) is None:
            self._check_hope(route, refusal)
            busy = [
                link.wait
                for model in route.models
                for link in self._fleet.serving(model)
                if refusal(link, model) is None
            ]
            soonest = min(busy, default=0.0)
            left = until - time.monotonic()
            if left <= 0 or (left < soonest < math.inf):
                if busy:
                    retry_after = soonest if soonest < math.inf else 1.0
                    raise self._not_now(route, refusal)(retry_after)
                if wait == remaining:
                    raise deadline_exceeded()
                raise unavailable(f"No worker serves the model '{route.asked}' at this moment")
            with suppress(TimeoutError):
                await self._fleet.wait_for_change(min([left, *busy]))
        return found

    def lost(self, route: Route) -> None:
        """What was dispatched is lost, and nothing of it was passed on."""
        if route.lost():
            self._fleet.wake()

    def dispatched(self, link: Link, route: Route, model: str, request: Any) -> None:
        """Before a request is sent there: policies take note, and a worker that reports its cache
        is told how this gateway calls the prompt's beginnings."""
        generates = isinstance(request, chat_pb2.ChatRequest | inference_pb2.GenerateRequest)
        if generates:
            request.ClearField("prefix_keys")
        if link.external or self._is_alone(link, model):
            return
        name, policy = self._policy(route, model)
        affinity = self._affinity(route, link.models[model].name, name)
        policy.dispatched(link.address, affinity)
        if generates and name == "prefix" and self._settings.kv_events and affinity.keys:
            covered = route.prefix(link.models[model].name).covered
            request.prefix_keys.CopyFrom(tokens_pb2.PrefixKeys(keys=affinity.keys, covered=covered))

    def some_take_images(self, route: Route) -> bool:
        return any(
            model in link.models and link.models[model].takes_images
            for model in route.models
            for link in self._fleet
        )

    def _is_alone(self, link: Link, model: str) -> bool:
        """Whether no other worker has the model, so that nothing needs to be remembered."""
        return not any(
            model in other.models and not other.external for other in self._fleet if other != link
        )

    def _choose_among(self, candidates: list[Link], route: Route, model: str) -> Link:
        if any(link.external for link in candidates):
            candidates = self._by_share(candidates)
        if len(candidates) == 1:
            return candidates[0]
        name, policy = self._policy(route, model)
        affinity = self._affinity(route, candidates[0].models[model].name, name)
        return policy.choose(candidates, affinity)

    def _policy(self, route: Route, model: str) -> tuple[PolicyName, Policy]:
        """That of the name that was asked for, else that of the model, else that of all."""
        names = self.names
        name = names.policy(route.asked) or names.policy(model) or self._settings.policy
        policy = self._policies.get((name, model))
        if policy is None:
            policy = self._settings.build(name, self.index, self._rng)
            self._policies[name, model] = policy
        return name, policy

    @staticmethod
    def _affinity(route: Route, model: str, policy: PolicyName) -> Affinity:
        return route.affinity(model) if policy in _BY_AFFINITY else NOTHING_SHARED

    def _check_hope(self, route: Route, refusal: Refusal) -> None:
        """Raises ApiError where waiting is of no use."""
        if not any(map(self._fleet.may_serve, route.models)):
            raise model_not_found(route.asked)
        reasons = [
            refusal(link, model)
            for model in route.models
            for link in self._fleet
            if model in link.models
        ]
        refusals = [reason for reason in reasons if reason is not None]
        if refusals and len(refusals) == len(reasons):
            raise refusals[0]

    def _not_now(self, route: Route, refusal: Refusal) -> Callable[[float], ApiError]:
        """What to say where members serve the model and none takes a request."""
        waiting = [
            link
            for model in route.models
            for link in self._fleet.serving(model)
            if refusal(link, model) is None
        ]
        if all(link.breaker.fault for link in waiting):
            said = f"Every worker of the model '{route.asked}' has failed of late"
            return partial(unavailable, said)
        return all_busy

    def _by_share(self, candidates: list[Link]) -> list[Link]:
        """Those among whom the load decides: all workers, or one other server; or those that have
        no share, where nobody who has one has room."""
        sharing = [link for link in candidates if link.share]
        spare = [link for link in candidates if not link.share]
        if spare and not any(link.room > 0 for link in sharing):
            return spare
        drawn = self._rng.choices(sharing, [link.share for link in sharing])[0]
        return [drawn] if drawn.external else [link for link in sharing if not link.external]
