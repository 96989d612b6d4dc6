"""Adapters are models of their own, also those that come and go while the gateway runs."""

from __future__ import annotations

from typing import Any

from gateway_harness import ScriptedWorker, eventually, gateway_before

from rostra.gateway.keys import FLEET
from rostra.v1 import control_pb2

CHAT = "/v1/chat/completions"


def hello(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}]}


def set_adapters(worker: ScriptedWorker, *names: str) -> None:
    """As a worker that has just loaded or unloaded some."""
    worker.adapters = [
        control_pb2.ModelInfo(
            name=name, base_model="tiny", revision=f"of {name}", max_model_len=128
        )
        for name in names
    ]
    worker.load = control_pb2.GetLoadResponse(models_version=worker.load.models_version + 1)


async def test_an_adapter_is_listed_and_routed_to(worker: ScriptedWorker) -> None:
    set_adapters(worker, "pirate")
    async with gateway_before([worker.address]) as client:
        models = {each["id"]: each for each in (await _json(client, "/v1/models"))["data"]}
        assert models["pirate"]["base_model"] == "tiny"
        assert models["pirate"]["revision"] == "of pirate"
        assert models["tiny"]["base_model"] is None
        assert (await _json(client, "/v1/models/pirate"))["id"] == "pirate"
        reply = await client.post(CHAT, json=hello("pirate"))
        assert (await reply.json())["model"] == "pirate"
        assert worker.requests[-1].model == "pirate"


async def test_what_is_loaded_and_unloaded_later_is_noticed(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address]) as client:
        assert (await client.post(CHAT, json=hello("pirate"))).status == 404

        async def status(model: str) -> int:
            return (await client.get(f"/v1/models/{model}")).status

        def serves(*names: str) -> bool:
            return sorted(client.app[FLEET].models()) == sorted(["tiny", *names])

        set_adapters(worker, "pirate")
        await eventually(lambda: serves("pirate"))
        assert (await client.post(CHAT, json=hello("pirate"))).status == 200
        set_adapters(worker, "pirate", "poet")
        await eventually(lambda: serves("pirate", "poet"))
        set_adapters(worker, "poet")
        await eventually(lambda: serves("poet"))
        assert await status("pirate") == 404
        assert (await client.post(CHAT, json=hello("pirate"))).status == 404
        assert (await client.post(CHAT, json=hello("poet"))).status == 200


async def test_only_workers_that_have_an_adapter_get_its_requests(worker: ScriptedWorker) -> None:
    async with ScriptedWorker() as other:
        set_adapters(other, "pirate")
        async with gateway_before([worker.address, other.address]) as client:
            for _ in range(6):
                assert (await client.post(CHAT, json=hello("pirate"))).status == 200
            assert not worker.requests
            assert len(other.requests) == 6


async def _json(client: Any, path: str) -> Any:
    return await (await client.get(path)).json()
