"""For operators: /health, /ready and /metrics."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from rostra.gateway.authentication import may_operate
from rostra.gateway.keys import DISPATCHER, FLEET, METRICS


async def health(request: web.Request) -> web.Response:
    """200 as long as the process is alive."""
    return web.Response(body=orjson.dumps({"status": "alive"}), content_type="application/json")


async def ready(request: web.Request) -> web.Response:
    """200 when at least one worker is serving, else 503; the body says how each worker is, to
    those who may know who they are."""
    fleet, dispatcher = request.app[FLEET], request.app[DISPATCHER]
    able = fleet.any_serving() and not (dispatcher.draining or dispatcher.ending)
    payload: dict[str, Any] = {"status": "ready" if able else "not ready"}
    if may_operate(request):
        payload["workers"] = {link.address: link.reason or "serving" for link in fleet}
    return web.Response(
        body=orjson.dumps(payload),
        content_type="application/json",
        status=200 if able else 503,
        headers={} if able else {"Retry-After": "1"},
    )


async def metrics(request: web.Request) -> web.Response:
    body = request.app[METRICS].render()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
