"""GET /mesh/members: who is in the mesh, as this gateway knows it."""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.keys import FLEET
from rostra.gateway.link import Link
from rostra.gateway.schemas.answers.mesh import MemberLoad
from rostra.gateway.worker_link import DRAINING, WorkerLink
from rostra.v1 import control_pb2


async def members(request: web.Request) -> web.Response:
    """What `rostra mesh status` shows."""
    fleet = request.app[FLEET]
    payload = {
        "gateway_version": importlib.metadata.version("rostra"),
        "members": [_member(link, fleet.warnings.get(link.address, ())) for link in fleet],
    }
    return web.Response(body=orjson.dumps(payload), content_type="application/json")


def _member(link: Link, warnings: tuple[str, ...]) -> dict[str, Any]:
    worker = link if isinstance(link, WorkerLink) else None
    info = control_pb2.GetServerInfoResponse() if worker is None else worker.info
    joined = worker is not None and worker.announced is not None
    state = "draining" if link.reason == DRAINING else "out"
    return {
        "address": link.address,
        "source": "external" if link.external else "joined" if joined else "listed",
        "state": "serving" if link.serving else state,
        "reason": link.reason,
        "state_seconds": None if worker is None else round(time.monotonic() - worker.since, 1),
        "warnings": [*warnings, *_left_alone(link)],
        "models": _models(link),
        "load": {field: getattr(link.load, field) for field in MemberLoad.model_fields},
        "version": info.version,
        "instance_id": info.instance_id,
        "contract_revision": info.contract_revision,
        "device": info.device,
        "device_name": info.device_name,
        "dtype": info.dtype,
        "tensor_parallel_size": info.tensor_parallel_size,
    }


def _left_alone(link: Link) -> list[str]:
    fault = link.breaker.fault
    return [f"it is left alone for a while, as its calls failed: {fault}"] if fault else []


def _models(link: Link) -> list[dict[str, Any]]:
    """Each once, though it has aliases."""
    return [
        {
            "name": model.name,
            "revision": model.revision,
            "aliases": list(model.aliases),
            "base_model": model.base_model if model.HasField("base_model") else None,
        }
        for model in {model.name: model for model in link.models.values()}.values()
    ]
