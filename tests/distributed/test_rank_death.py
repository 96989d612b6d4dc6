"""One rank of a worker dies: nobody hangs, nothing is left, and the worker serves again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from worker_harness import (
    ENDLESS,
    Service,
    collect,
    eventually,
    generate,
    read_refusal,
    running,
    started,
    tiny_config,
)

from rostra.mesh.supervisor import restarts

SIZE = 2
BOUND = 30.0
"""Seconds from a rank's death until clients know and the other ranks are gone: a fraction of one is
usual, and a busy machine takes more."""
DEATHS_UNDER_LOAD = int(os.environ.get("ROSTRA_TEST_RANK_DEATHS", "2"))
LONG_PROMPT = list(range(3, 303)) * 12


@pytest.fixture(autouse=True)
def _quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    # Deaths in a row are the point here, and not to be waited for.
    monkeypatch.setattr(restarts, "MAX_BACKOFF", 0.5)


@contextlib.asynccontextmanager
async def serving(model: Path, **engine: Any) -> AsyncIterator[Service]:
    settings = {"tensor_parallel_size": SIZE, "dtype": "float32", "max_num_batched_tokens": 64}
    async with running(tiny_config(model, **(settings | engine))) as service:
        yield service


async def ending(call: Any) -> str:
    """How a stream ended: the reason of its finish, or of the status."""
    try:
        async with asyncio.timeout(120):
            got = await collect(call)
        return got.reason()
    except grpc.aio.AioRpcError as error:
        refusal = read_refusal(error)
        assert refusal.code == grpc.StatusCode.UNAVAILABLE, refusal
        return refusal.reason


async def kill(service: Service, rank: int) -> dict[str, float]:
    """Seconds until health said so, until every rank was gone, and until it served again."""
    pids = service.worker.engine.pids
    assert len(pids) == SIZE
    processes = [psutil.Process(pid) for pid in pids]
    os.kill(pids[rank], signal.SIGKILL)
    start = time.monotonic()
    took = {}

    async def unhealthy() -> bool:
        return not await service.serving()

    async def gone() -> bool:
        return not any(process.is_running() for process in processes)

    async def serves() -> bool:
        return await service.serving() and not set(pids) & set(service.worker.engine.pids)

    for name, condition, timeout in (
        ("unhealthy", unhealthy, BOUND),
        ("gone", gone, BOUND),
        ("serving", serves, 60.0),
    ):
        await eventually(condition, timeout)
        took[name] = time.monotonic() - start
    return took


@pytest.mark.parametrize("phase", ["idle", "prefill", "decode"])
async def test_any_rank_dies(tiny_model: Path, phase: str, caplog: pytest.LogCaptureFixture):
    async with serving(tiny_model) as service:
        expected = (
            await collect(service.inference.Generate(generate(max_tokens=8, temperature=0.0)))
        ).texts
        for rank in range(SIZE):
            calls = []
            if phase == "prefill":
                calls = [
                    service.inference.Generate(
                        generate(tokens={"ids": LONG_PROMPT}, max_tokens=1, **ENDLESS)
                    )
                ]
                await eventually(lambda: computes_a_prompt(service))
            elif phase == "decode":
                calls = [service.inference.Generate(generate(n=2, **ENDLESS))]
                await started(calls[0])
            streams = [asyncio.create_task(broken(call)) for call in calls]
            await kill(service, rank)
            assert all(stream.done() for stream in streams)
            assert [stream.result() for stream in streams] == ["engine_failed"] * len(calls)
            assert f"rank {rank} was ended by SIGKILL" in caplog.text
            caplog.clear()
            again = await collect(
                service.inference.Generate(generate(max_tokens=8, temperature=0.0))
            )
            assert again.texts == expected


async def computes_a_prompt(service: Service) -> bool:
    return (await service.load()).queued_tokens > 0


async def broken(call: Any) -> str:
    """The reason in the status of a stream that was open, and cannot have come to its end."""
    try:
        async for part in call:
            assert not part.HasField("finish")
    except grpc.aio.AioRpcError as error:
        refusal = read_refusal(error)
        assert refusal.code == grpc.StatusCode.UNAVAILABLE
        return refusal.reason
    raise AssertionError("the stream ended as if all were well")


async def test_deaths_under_load(tiny_model: Path):
    """Any number of times: ROSTRA_TEST_RANK_DEATHS."""
    chance = random.Random(0)
    endings: list[str] = []
    async with serving(tiny_model) as service:
        stop = asyncio.Event()

        async def client(number: int) -> None:
            while not stop.is_set():
                length = chance.randrange(1, 600)
                request = generate(
                    tokens={"ids": LONG_PROMPT[:length]},
                    max_tokens=chance.randrange(1, 60),
                    **(ENDLESS | {"seed": number}),
                )
                endings.append(await ending(service.inference.Generate(request)))
                if endings[-1] != "LENGTH":
                    await asyncio.sleep(0.1)

        clients = [asyncio.create_task(client(number)) for number in range(6)]
        for _ in range(DEATHS_UNDER_LOAD):
            served = endings.count("LENGTH")
            await eventually(lambda least=served + 4: enough(endings, least))
            await asyncio.sleep(chance.uniform(0, 1))
            rank = chance.randrange(SIZE)
            broken_before = endings.count("engine_failed")
            took = await kill(service, rank)
            assert endings.count("engine_failed") > broken_before
            print(f"rank {rank}:", ", ".join(f"{k} {v:.2f} s" for k, v in took.items()))
        stop.set()
        await asyncio.gather(*clients)
        assert set(endings) <= {"LENGTH", "engine_failed"}
        await eventually(service.idle)


async def enough(endings: list[str], least: int) -> bool:
    return endings.count("LENGTH") >= least
