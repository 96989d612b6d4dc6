"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.authentication import check_model
from rostra.gateway.errors import model_not_found, unavailable
from rostra.gateway.fleet import ServedModel
from rostra.gateway.keys import EXCHANGE, FLEET


async def list_models(request: web.Request) -> web.Response:
    """Those that a worker serves now, and that the caller may use."""
    models = request.app[FLEET].models()
    key = request[EXCHANGE].key
    payload = {
        "object": "list",
        "data": [
            _model(served)
            for _, served in sorted(models.items())
            if key is None or key.allows((served.info.name, *served.info.aliases))
        ],
    }
    return web.Response(body=orjson.dumps(payload), content_type="application/json")


async def retrieve_model(request: web.Request) -> web.Response:
    fleet, wanted = request.app[FLEET], request.match_info["model"]
    check_model(request, wanted)
    for served in fleet.models().values():
        if wanted in (served.info.name, *served.info.aliases):
            payload = _model(served)
            return web.Response(body=orjson.dumps(payload), content_type="application/json")
    if fleet.may_serve(wanted):
        raise unavailable(f"No worker serves the model '{wanted}' at this moment")
    raise model_not_found(wanted)


def _model(served: ServedModel) -> dict[str, Any]:
    info = served.info
    return {
        "id": info.name,
        "object": "model",
        "created": served.first_seen,
        "owned_by": served.owner,
        "aliases": list(info.aliases),
        "max_model_len": info.max_model_len or None,
        "revision": info.revision,
        "input_modalities": ["text", "image"] if served.takes_images else ["text"],
        "embedding_size": info.embedding_size if info.HasField("embedding_size") else None,
        "base_model": info.base_model if info.HasField("base_model") else None,
        "tool_parser": info.tool_parser if info.HasField("tool_parser") else None,
        "reasoning_parser": info.reasoning_parser if info.HasField("reasoning_parser") else None,
    }
