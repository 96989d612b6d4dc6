"""A gateway as a process has it: it listens, it drains, it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from gateway_harness import FAST, ScriptedWorker, eventually, says

from rostra.gateway.errors import GatewayError
from rostra.gateway.server import serve
from rostra.gateway.settings import GatewaySettings

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True}


@asynccontextmanager
async def serving(worker: ScriptedWorker, **settings: Any) -> AsyncIterator[tuple[str, Any]]:
    """A server's URL and the task that runs it."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = GatewaySettings(port=0, workers=(worker.address,), **{**FAST, **settings})
    task = asyncio.create_task(serve(chosen, url.set_result))
    await asyncio.wait([url, task], return_when=asyncio.FIRST_COMPLETED)
    yield await url, task
    task.cancel()
    await asyncio.wait([task])


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def refuses_connections(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_running_streams_finish_and_nothing_new_is_taken(worker: ScriptedWorker) -> None:
    go_on = asyncio.Event()

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        async for message in says(["a"] * 30)(request, context):
            yield message
            if message.HasField("delta"):
                await go_on.wait()

    worker.script = script
    async with serving(worker) as (url, task), aiohttp.ClientSession() as session:
        response = await session.post(f"{url}/v1/chat/completions", json=HELLO)
        interrupt()
        async with asyncio.timeout(10):
            while not await refuses_connections(url):
                await asyncio.sleep(0.01)
        assert not task.done()
        go_on.set()
        assert (await response.read()).endswith(b"data: [DONE]\n\n")
        await asyncio.wait_for(task, 10)
    assert worker.running == 0


@pytest.mark.parametrize("second_signal", [False, True])
async def test_what_does_not_finish_is_told(worker: ScriptedWorker, second_signal: bool) -> None:
    worker.script = says(["a"] * 10_000, pause=0.02)
    grace = 60.0 if second_signal else 0.2
    async with (
        serving(worker, drain_grace=grace) as (url, task),
        aiohttp.ClientSession() as session,
    ):
        response = await session.post(f"{url}/v1/chat/completions", json=HELLO)
        whole = asyncio.create_task(
            session.post(f"{url}/v1/chat/completions", json={**HELLO, "stream": False})
        )
        await eventually(lambda: worker.running == 2)
        interrupt()
        await asyncio.sleep(0.05)
        if second_signal:
            interrupt()
        last = (await response.read()).split(b"\n\n")[-2]
        error = orjson.loads(last.removeprefix(b"data: "))["error"]
        assert error["code"] == "shutting_down"
        answer = await whole
        assert answer.status == 503
        assert (await answer.json())["error"]["code"] == "shutting_down"
        await asyncio.wait_for(task, 10)
    await eventually(lambda: worker.running == 0)


async def test_a_port_in_use_is_one_clear_line(worker: ScriptedWorker) -> None:
    async with serving(worker) as (url, _):
        port = int(url.rsplit(":", 1)[1])
        taken = GatewaySettings(port=port, workers=(worker.address,))
        with pytest.raises(GatewayError, match=f"127.0.0.1:{port}: the port is in use"):
            await serve(taken)


async def test_an_address_of_another_host(worker: ScriptedWorker) -> None:
    elsewhere = GatewaySettings(
        host="192.0.2.1", port=0, workers=(worker.address,), insecure_public=True
    )
    with pytest.raises(GatewayError, match="choose another host"):
        await serve(elsewhere)


async def test_a_load_balancer_is_given_time_to_notice(worker: ScriptedWorker) -> None:
    async with (
        serving(worker, drain_delay=600.0) as (url, task),
        aiohttp.ClientSession() as session,
    ):
        async with asyncio.timeout(30):
            while (await session.get(f"{url}/ready")).status != 200:
                await asyncio.sleep(0.01)
        interrupt()
        async with asyncio.timeout(30):
            while (await session.get(f"{url}/ready")).status != 503:
                await asyncio.sleep(0.01)
        response = await session.post(f"{url}/v1/chat/completions", json=HELLO)
        assert response.headers["Connection"] == "close"
        assert (await response.read()).endswith(b"data: [DONE]\n\n")
        assert not task.done()
        interrupt()
        await asyncio.wait_for(task, 30)
        assert await refuses_connections(url)
