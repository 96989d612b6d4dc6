"""The web application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from rostra.gateway import middleware
from rostra.gateway.admission.admission import Admission
from rostra.gateway.authentication import authentication
from rostra.gateway.dispatch import Dispatcher
from rostra.gateway.endpoints import ENDPOINTS
from rostra.gateway.fleet import Fleet
from rostra.gateway.key_ring import KeyRing
from rostra.gateway.keys import (
    ADMISSION,
    DISPATCHER,
    DOCUMENT,
    FLEET,
    KEYS,
    METRICS,
    REGISTRY,
    RESPONSES,
    SETTINGS,
    TRACING,
)
from rostra.gateway.membership import Membership
from rostra.gateway.membership.build import membership_of
from rostra.gateway.membership.server import Registry
from rostra.gateway.metrics import Metrics
from rostra.gateway.openapi.published import PublishedDocument
from rostra.gateway.response_store import ResponseStore
from rostra.gateway.router import Router
from rostra.gateway.routing.cache_follower import CacheFollower
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.tracing import Tracing


def create_app(
    settings: GatewaySettings,
    membership: Membership | None = None,
    tracing: Tracing | None = None,
) -> web.Application:
    """The gateway as an aiohttp application; its workers are `settings.workers` and those that join
    unless another source of members is given.

    Run it with `handler_cancellation=True`, as `server.make_runner` does: that is how a client that
    goes away ends its request at the worker. Raises GatewayError where the file of API keys, of
    join tokens or of certificates is wrong.
    """
    middlewares: list[Middleware] = [
        middleware.observe,
        middleware.envelope_errors,
        middleware.preflight,
    ]
    keys = None if settings.api_keys is None else KeyRing(settings.api_keys)
    if keys is not None:
        scopes = {each.handler: each.scope_in(settings) for each in ENDPOINTS}
        middlewares.append(authentication(keys, scopes))
    app = web.Application(
        middlewares=middlewares,
        client_max_size=settings.max_body_bytes,
    )
    registry = None if settings.registry is None else Registry(settings.registry)
    fleet = Fleet(
        membership or membership_of(settings, registry),
        settings,
        None if registry is None else registry.state,
    )
    app[SETTINGS] = settings
    app[KEYS] = keys
    app[FLEET] = fleet
    app[REGISTRY] = registry
    app[METRICS] = Metrics(fleet)
    if tracing is not None:
        app[TRACING] = tracing
        app[METRICS].watch_tracing(tracing)
    app[DISPATCHER] = Dispatcher(
        Router(fleet, settings.worker_wait, settings.routing, settings.models),
        app[METRICS],
        settings.max_attempts,
        settings.failover,
    )
    app[ADMISSION] = Admission(settings.admission, fleet, app[DISPATCHER].router.names)
    app[METRICS].show_waiting(app[ADMISSION].waiting)
    app[RESPONSES] = ResponseStore(settings.response_store_bytes, settings.response_store_count)
    app[DOCUMENT] = PublishedDocument(ENDPOINTS, keyed=keys is not None)
    app.on_response_prepare.append(middleware.add_headers)
    app.cleanup_ctx.append(_fleet_runs)
    if keys is not None:
        app.cleanup_ctx.append(_follow(keys))
    app.add_routes(route for endpoint in ENDPOINTS for route in endpoint.routes())
    return app


async def _fleet_runs(app: web.Application) -> AsyncIterator[None]:
    fleet, registry = app[FLEET], app[REGISTRY]
    await fleet.start()
    following = None
    try:
        if registry is not None:
            tls = app[SETTINGS].worker_tls is not None
            await registry.start(fleet.instance_at, tls=tls)
        if app[SETTINGS].follows_caches:
            follower = CacheFollower(fleet, app[DISPATCHER].router.index)
            following = asyncio.create_task(follower.run())
        yield
    finally:
        app[ADMISSION].close()
        if registry is not None:
            await registry.close()
        if following is not None:
            following.cancel()
            await asyncio.wait([following])
        await fleet.close()


def _follow(keys: KeyRing) -> Callable[[web.Application], AsyncIterator[None]]:
    async def runs(app: web.Application) -> AsyncIterator[None]:
        following = asyncio.create_task(keys.run())
        yield
        following.cancel()

    return runs
