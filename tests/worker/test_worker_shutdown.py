"""Draining, signals, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

import grpc
import msgspec
import psutil
import pytest
from google.protobuf.duration_pb2 import Duration
from worker_harness import (
    ENDLESS,
    chat,
    collect,
    eventually,
    generate,
    read_refusal,
    refused,
    running,
    tiny_config,
)

from rostra.mesh.errors import RostraError
from rostra.mesh.worker.server import Worker, WorkerConfig, serve
from rostra.v1 import control_pb2, inference_pb2_grpc

SERVE = """
import asyncio, logging, sys
import msgspec
from rostra.mesh.worker.server import WorkerConfig, serve
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    config = msgspec.json.decode(sys.argv[1], type=WorkerConfig)
    asyncio.run(serve(config, on_ready=lambda address: print(address, flush=True)))
"""


async def test_a_drain_lets_work_end_and_ends_the_rest(tiny_model: Path):
    async with running(tiny_config(tiny_model)) as service:
        short = service.inference.Generate(generate(max_tokens=60, **ENDLESS))
        long = service.inference.Generate(generate(**ENDLESS))

        async def drain():
            await eventually(lambda: has_running(service, 2))
            request = control_pb2.DrainRequest(grace_period=Duration(seconds=1))
            return await service.control.Drain(request)

        async def look_during_drain():
            await eventually(lambda: is_draining(service))
            assert not await service.serving()
            refusal = await refused(service.inference.Chat(chat()))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "draining")

        results = await asyncio.gather(
            collect(short), collect(long), drain(), look_during_drain(), return_exceptions=True
        )
        assert results[0].usage.completion_tokens == 60
        assert read_refusal(results[1]).code is grpc.StatusCode.UNAVAILABLE
        assert read_refusal(results[1]).reason == "draining"
        assert results[2].aborted_requests == 1
        assert results[3] is None
        await eventually(service.idle)
        again = await service.control.Drain(control_pb2.DrainRequest())
        assert again.aborted_requests == 0
        refusal = await refused(
            service.control.Drain(control_pb2.DrainRequest(grace_period=Duration(seconds=-1)))
        )
        assert list(refusal.violations) == ["grace_period"]


async def has_running(service, count: int) -> bool:
    return (await service.load()).running_requests == count


async def is_draining(service) -> bool:
    return (await service.load()).draining


class Process:
    """`serve` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address
        self.children = psutil.Process(process.pid).children(recursive=True)
        assert self.children, "the engine is a process of its own"

    @classmethod
    async def start(cls, model: Path, drain_grace: float) -> Process:
        config = msgspec.structs.replace(tiny_config(model), drain_grace=drain_grace)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SERVE,
            msgspec.json.encode(config).decode(),
            stdout=asyncio.subprocess.PIPE,
        )
        address = (await asyncio.wait_for(process.stdout.readline(), 90)).decode().strip()
        return cls(process, address)

    async def gone(self) -> bool:
        return not any(child.is_running() for child in self.children)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_with_nothing_left(tiny_model: Path, number):
    process = await Process.start(tiny_model, drain_grace=60)
    async with grpc.aio.insecure_channel(process.address) as channel:
        call = inference_pb2_grpc.InferenceStub(channel).Generate(
            generate(max_tokens=200, **ENDLESS)
        )
        await asyncio.wait_for(call.read(), 30)
        process.process.send_signal(number)
        for child in process.children:  # Ctrl-C reaches the whole group
            child.send_signal(number)
        last = None
        async for part in call:
            last = part
        assert last.usage.completion_tokens == 200
    assert await asyncio.wait_for(process.process.wait(), 30) == 0
    assert await process.gone()


async def test_a_second_signal_ends_at_once(tiny_model: Path):
    process = await Process.start(tiny_model, drain_grace=600)
    async with grpc.aio.insecure_channel(process.address) as channel:
        call = inference_pb2_grpc.InferenceStub(channel).Generate(generate(**ENDLESS))
        await asyncio.wait_for(call.read(), 30)
        process.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        process.process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await asyncio.wait_for(process.process.wait(), 30) == 0
    assert await process.gone()


async def test_the_engine_does_not_outlive_a_killed_server(tiny_model: Path):
    process = await Process.start(tiny_model, drain_grace=600)
    process.process.kill()
    await process.process.wait()
    await eventually(process.gone, timeout=20)


async def test_a_port_in_use_is_one_clear_line(tiny_model: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RostraError, match=address) as caught:
            await serve(config_with(tiny_model, listen=address))
    assert "\n" not in str(caught.value)


async def test_an_address_that_cannot_be_had(tiny_model: Path):
    for address in ("nowhere.invalid:0", "no-port"):
        worker = Worker(config_with(tiny_model, listen=address))
        try:
            with pytest.raises(RostraError, match=address.split(":")[0]):
                await worker.start()
        finally:
            await worker.stop()


def config_with(model: Path, **fields) -> WorkerConfig:
    return msgspec.structs.replace(tiny_config(model), **fields)
