"""A worker whose host or network is gone: nobody says so, the packets just stop."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from gateway_harness import ScriptedWorker, any_serving, eventually, gateway_before, says

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True}


class Wire:
    """A network between a gateway and a worker that can begin to swallow everything."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def _connect(self, reader: Any, writer: Any) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._tasks += [
            asyncio.create_task(self._forward(reader, other_writer)),
            asyncio.create_task(self._forward(other_reader, writer)),
        ]

    async def _forward(self, reader: Any, writer: Any) -> None:
        while data := await reader.read(65536):
            await self._open.wait()
            writer.write(data)
        writer.close()


async def test_a_stream_over_a_dead_network_ends(worker: ScriptedWorker) -> None:
    worker.script = says(["a"] * 10_000, pause=0.01)
    async with (
        Wire(worker.port) as wire,
        gateway_before(
            [wire.address], keepalive_interval=0.5, keepalive_timeout=0.5, request_timeout=None
        ) as client,
    ):
        response = await client.post("/v1/chat/completions", json=HELLO)
        assert await response.content.readline()
        wire.cut()
        async with asyncio.timeout(20):
            last = (await response.read()).split(b"\n\n")[-2]
        error = orjson.loads(last.removeprefix(b"data: "))["error"]
        assert error["code"] == "no_worker_available"
        assert not any_serving(client)
        wire.mend()
        await eventually(lambda: any_serving(client))
