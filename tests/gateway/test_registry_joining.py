"""Workers that join gateways by themselves, and leave them in every way there is."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from gateway_harness import NOT_SERVING, ScriptedWorker, eventually, says
from registry_harness import (
    CHAT,
    HELLO,
    JoiningWorker,
    fleet_of,
    gateway_to_join,
    members,
    serving,
    where,
)
from test_gateway_dead_network import Wire

from rostra.v1 import control_pb2


async def test_a_worker_joins_and_is_asked() -> None:
    async with gateway_to_join() as client, JoiningWorker() as worker:
        assert (await client.get("/ready")).status == 503
        worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})
        answer = await client.post(CHAT, json=HELLO)
        assert answer.status == 200
        found = (await members(client))[worker.address]
        assert (found["source"], found["state"], found["reason"]) == ("joined", "serving", "")
        assert (found["version"], found["instance_id"]) == ("1.2.3", worker.info.instance_id)
        assert [model["name"] for model in found["models"]] == ["tiny"]


async def test_many_gateways_and_one_worker() -> None:
    async with (
        gateway_to_join() as first,
        gateway_to_join() as second,
        gateway_to_join() as third,
        JoiningWorker() as worker,
    ):
        gateways = (first, second, third)
        worker.join(*(where(gateway) for gateway in gateways))
        for gateway in gateways:
            await eventually(lambda gateway=gateway: serving(gateway) == {worker.address})
            assert (await gateway.post(CHAT, json=HELLO)).status == 200


async def test_the_load_comes_by_the_stream() -> None:
    # With an hour between readings, only the stream can have told.
    async with gateway_to_join(load_interval=3600.0) as client, JoiningWorker() as worker:
        worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})
        worker.load = control_pb2.GetLoadResponse(running_requests=7)
        link = fleet_of(client).workers[0]
        await eventually(lambda: link.pending_requests == 7)


async def test_models_and_draining_are_told_at_once() -> None:
    # An hour between heartbeats, too.
    hour = {"heartbeat_interval": 60.0}
    async with (
        gateway_to_join(registry=hour, load_interval=3600.0) as client,
        JoiningWorker() as worker,
    ):
        joining = worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})
        worker.adapters = [control_pb2.ModelInfo(name="pirate", base_model="tiny", revision="p")]
        worker.load = control_pb2.GetLoadResponse(models_version=1)
        joining.changed()
        await eventually(lambda: "pirate" in fleet_of(client).models())
        worker.load = control_pb2.GetLoadResponse(models_version=1, draining=True)
        await joining.drain()
        await eventually(lambda: serving(client) == set())
        assert (await members(client))[worker.address]["state"] == "draining"


async def test_who_leaves_is_gone_and_its_model_is_out() -> None:
    async with gateway_to_join() as client, JoiningWorker() as worker:
        joining = worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})
        await joining.close()
        await eventually(lambda: fleet_of(client).workers == [])
        # It may come back, so that a client is to try again.
        answer = await client.post(CHAT, json=HELLO)
        assert answer.status == 503
        assert answer.headers["Retry-After"]


async def test_a_killed_worker_leaves_within_three_seconds() -> None:
    async with gateway_to_join(registry={"heartbeat_interval": 60.0}) as client:
        worker = await JoiningWorker().start()
        worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})
        began = time.monotonic()
        await worker.stop()
        await eventually(lambda: fleet_of(client).workers == [])
        assert time.monotonic() - began < 3


async def test_a_partitioned_worker_leaves_within_ten_seconds() -> None:
    """With the settings that gateways and workers have by default."""
    default = {"heartbeat_interval": 1.0}
    times = {"load_interval": 0.5, "load_timeout": 1.5}
    async with gateway_to_join(registry=default, **times) as client, JoiningWorker() as worker:
        port = int(where(client).rpartition(":")[2])
        async with Wire(port) as wire:
            joining = worker.join(f"grpc://{wire.address}")
            await eventually(lambda: serving(client) == {worker.address})
            wire.cut()
            began = time.monotonic()
            await eventually(lambda: serving(client) == set())
            assert time.monotonic() - began < 10
            wire.mend()
            await eventually(lambda: serving(client) == {worker.address})
            await joining.close()


async def test_a_worker_that_cannot_be_reached_back_is_out_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It reaches the gateway; packets the other way are swallowed."""
    caplog.set_level(logging.INFO)
    keepalive = {"keepalive_interval": 0.5, "keepalive_timeout": 0.5}
    async with (
        gateway_to_join(**keepalive) as client,
        JoiningWorker() as worker,
        Wire(worker.port) as wire,
    ):
        worker.join(where(client), advertise=wire.address)
        await eventually(lambda: serving(client) == {wire.address})
        wire.cut()
        await eventually(lambda: serving(client) == set())
        await eventually(lambda: "does not use this worker" in caplog.text)
        # It is joined all the same, and in use again as soon as it can be.
        assert set(await members(client)) == {wire.address}
        wire.mend()
        await eventually(lambda: serving(client) == {wire.address})
        await eventually(lambda: "uses this worker" in caplog.text)


async def test_a_gateway_that_restarts_is_whole_within_a_heartbeat() -> None:
    async with JoiningWorker() as first, JoiningWorker() as second:
        async with gateway_to_join() as client:
            url = where(client)
            first.join(url)
            second.join(url)
            await eventually(lambda: len(serving(client)) == 2)
        # Long enough for a backoff to have grown.
        await asyncio.sleep(3)
        listen = url.removeprefix("grpc://")
        async with gateway_to_join(registry={"listen": listen}) as client:
            began = time.monotonic()
            await eventually(lambda: len(fleet_of(client).workers) == 2)
            # The backoff never exceeds a heartbeat; the rest is what a busy machine takes.
            assert time.monotonic() - began < 1 + 5
            await eventually(lambda: serving(client) == {first.address, second.address})


async def test_the_others_are_served_on_when_a_gateway_is_lost() -> None:
    worker = JoiningWorker(script=says(["a"] * 20, pause=0.05))
    async with worker, gateway_to_join() as staying:
        async with gateway_to_join() as leaving:
            worker.join(where(staying), where(leaving))
            await eventually(lambda: len(serving(staying)) == len(serving(leaving)) == 1)
            asking = asyncio.create_task(staying.post(CHAT, json=HELLO))
            await eventually(lambda: worker.running == 1)
        assert (await asking).status == 200
        assert serving(staying) == {worker.address}


async def test_listed_and_joined_workers_are_one_mesh() -> None:
    """One that is listed may join as well."""
    async with (
        ScriptedWorker(model="listed") as listed,
        JoiningWorker() as joined,
        gateway_to_join([listed.address, joined.address]) as client,
    ):
        joined.join(where(client))
        await eventually(lambda: set(fleet_of(client).models()) == {"listed", "tiny"})
        await eventually(lambda: all(link.serving for link in fleet_of(client)))
        found = await members(client)
        assert found[listed.address]["source"] == "listed"
        assert len(found) == 2
        assert joined.joining is not None
        await joined.joining.close()
        # It is on the list still, and is asked for its load again.
        joined.load = control_pb2.GetLoadResponse(running_requests=3)
        link = next(x for x in fleet_of(client).workers if x.address == joined.address)
        await eventually(lambda: link.announced is None and link.pending_requests == 3)
        assert link.serving


async def test_health_decides_for_joined_workers_too() -> None:
    async with gateway_to_join() as client, JoiningWorker() as worker:
        worker.join(where(client))
        await eventually(lambda: serving(client) == {worker.address})
        await worker.set_health(NOT_SERVING)
        await eventually(lambda: serving(client) == set())
        assert (await members(client))[worker.address]["reason"] == "its health is NOT_SERVING"
