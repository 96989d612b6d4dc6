"""Draining, signals, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import msgspec
import psutil
import pytest
from google.protobuf.duration_pb2 import Duration
from tiny_model import save_tiny_model
from worker_harness import (
    ENDLESS,
    chat,
    collect,
    eventually,
    generate,
    read_refusal,
    refused,
    running,
    started,
    tiny_config,
)

from rostra.mesh.errors import RostraError
from rostra.mesh.worker.server import Worker, WorkerConfig, serve
from rostra.v1 import control_pb2, control_pb2_grpc, inference_pb2_grpc

SERVE = """
import asyncio, logging, sys
import msgspec
from rostra.mesh.worker.server import WorkerConfig, serve
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    config = msgspec.json.decode(sys.argv[1], type=WorkerConfig)
    asyncio.run(serve(config, on_ready=lambda address: print(address, flush=True)))
"""


async def test_a_drain_lets_work_end_and_ends_the_rest(tmp_path: Path):
    # A context that no machine fills within the grace: a thousand steps in a second are common.
    save_tiny_model(tmp_path, max_model_len=1 << 16)
    async with running(tiny_config(tmp_path, num_blocks=8192)) as service:
        short = service.inference.Generate(generate(max_tokens=200, **ENDLESS))
        long = service.inference.Generate(generate(n=2, logprobs=20, **ENDLESS))

        async def drain():
            await eventually(lambda: has_running(service, 3))
            request = control_pb2.DrainRequest(grace_period=Duration(seconds=4))
            return await service.control.Drain(request)

        async def look_during_drain():
            await eventually(lambda: is_draining(service))
            assert not await service.serving()
            refusal = await refused(service.inference.Chat(chat()))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "draining")

        results = await asyncio.gather(
            collect(short), collect(long, 2), drain(), look_during_drain(), return_exceptions=True
        )
        assert results[0].usage.completion_tokens == 200
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

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 30)

    async def left_nothing(self) -> bool:
        return not any(child.is_running() for child in self.children)


@contextlib.asynccontextmanager
async def process_of(model: Path, drain_grace: float) -> AsyncIterator[Process]:
    config = config_with(model, drain_grace=drain_grace)
    settings = msgspec.json.encode(config).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, settings, stdout=asyncio.subprocess.PIPE
    )
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 90)
        yield Process(process, line.decode().strip())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_signal_drains_and_ends_with_nothing_left(tiny_model: Path):
    async with process_of(tiny_model, drain_grace=60) as worker:
        async with grpc.aio.insecure_channel(worker.address) as channel:
            stub = inference_pb2_grpc.InferenceStub(channel)
            call = stub.Generate(generate(max_tokens=200, **ENDLESS))
            await started(call)
            worker.process.terminate()
            for child in worker.children:  # a service manager signals every process
                child.terminate()
            async for part in call:
                last = part
            assert last.usage.completion_tokens == 200
        assert await worker.ended() == 0
        assert await worker.left_nothing()


async def test_a_second_signal_ends_at_once(tiny_model: Path):
    async with process_of(tiny_model, drain_grace=600) as worker:
        async with grpc.aio.insecure_channel(worker.address) as channel:
            call = inference_pb2_grpc.InferenceStub(channel).Generate(generate(n=4, **ENDLESS))
            await started(call)
            control = control_pb2_grpc.ControlStub(channel)

            async def drains() -> bool:
                return (await control.GetLoad(control_pb2.GetLoadRequest())).draining

            # Two signals that come together are one.
            worker.process.send_signal(signal.SIGINT)
            await eventually(drains)
            worker.process.send_signal(signal.SIGINT)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await exhaust(call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await worker.ended() == 0
        assert await worker.left_nothing()


async def exhaust(call) -> None:
    async for _ in call:
        pass


async def test_the_engine_does_not_outlive_a_killed_server(tiny_model: Path):
    async with process_of(tiny_model, drain_grace=600) as worker:
        worker.process.kill()
        await worker.ended()
        await eventually(worker.left_nothing, timeout=20)


async def test_a_folder_that_is_no_model_is_one_clear_line(tmp_path: Path):
    with pytest.raises(RostraError) as caught:
        await serve(tiny_config(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


async def test_a_signal_while_the_engine_starts_ends_the_start(tiny_model: Path):
    told: list[str] = []
    others = set(psutil.Process().children())
    task = asyncio.create_task(serve(tiny_config(tiny_model), on_ready=told.append))
    while not (children := set(psutil.Process().children()) - others):
        await asyncio.sleep(0.01)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(task, 30)
    assert not told
    assert not any(child.is_running() for child in children)


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
