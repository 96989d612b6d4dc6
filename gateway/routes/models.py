"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.authentication import check_model
from rostra.gateway.errors import model_not_found, unavailable
from rostra.gateway.fleet import ServedModel
from rostra.gateway.keys import DISPATCHER, EXCHANGE, FLEET


async def list_models(request: web.Request) -> web.Response:
    """Those that a worker serves now, and that the caller may use."""
    key = request[EXCHANGE].key
    payload = {
        "object": "list",
        "data": [
            entry
            for _, entry in sorted(_entries(request).items())
            if key is None or key.allows((entry["id"], *entry["aliases"]))
        ],
    }
    return web.Response(body=orjson.dumps(payload), content_type="application/json")


async def retrieve_model(request: web.Request) -> web.Response:
    fleet, wanted = request.app[FLEET], request.match_info["model"]
    check_model(request, wanted)
    entries = _entries(request)
    found = entries.get(wanted) or next(
        (entry for entry in entries.values() if wanted in entry["aliases"]), None
    )
    if found is not None:
        return web.Response(body=orjson.dumps(found), content_type="application/json")
    if any(map(fleet.may_serve, request.app[DISPATCHER].router.names.order(wanted))):
        raise unavailable(f"No worker serves the model '{wanted}' at this moment")
    raise model_not_found(wanted)


def _entries(request: web.Request) -> dict[str, dict[str, Any]]:
    """By name: what members serve, and the names that stand for some of it."""
    served = request.app[FLEET].models()
    called = {each: one for one in served.values() for each in (one.info.name, *one.info.aliases)}
    entries = {name: _model(one) for name, one in served.items()}
    names = request.app[DISPATCHER].router.names
    for name, model in names:
        present = [target for target in names.order(name) if target in called]
        if present:
            # It can be more than the first of them, and never asks more than that one takes.
            entry = _model(called[present[0]])
            aliases = entry["aliases"] if present[0] == name else []
            entry |= {
                "id": name,
                "aliases": [*model.aliases, *aliases],
                "created": min(called[target].first_seen for target in present),
                "targets": sorted({called[target].info.name for target in present}),
            }
            entries[name] = entry
    return entries


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
        "targets": None,
        "embedding_size": info.embedding_size if info.HasField("embedding_size") else None,
        "base_model": info.base_model if info.HasField("base_model") else None,
        "tool_parser": info.tool_parser if info.HasField("tool_parser") else None,
        "reasoning_parser": info.reasoning_parser if info.HasField("reasoning_parser") else None,
    }
