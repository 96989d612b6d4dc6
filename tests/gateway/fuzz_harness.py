"""A gateway as a process has it, and raw connections to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import ClientSession, web
from gateway_harness import FAST, ScriptedWorker, eventually

from rostra.gateway.app import create_app
from rostra.gateway.keys import FLEET
from rostra.gateway.server import make_runner
from rostra.gateway.settings import GatewaySettings

JSON = {"Content-Type": "application/json"}
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
MINIMAL: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": HELLO,
    "/v1/completions": {"model": "tiny", "prompt": "a"},
    "/v1/responses": {"model": "tiny", "input": "a"},
    "/v1/messages": {**HELLO, "max_tokens": 4},
    "/v1/messages/count_tokens": HELLO,
    "/v1/tokenize": {"model": "tiny", "prompt": "a"},
    "/v1/detokenize": {"model": "tiny", "tokens": [1]},
    "/v1/embeddings": {"model": "tiny", "input": "a"},
    "/v1/score": {"model": "tiny", "text_1": "a", "text_2": "b"},
    "/v1/rerank": {"model": "tiny", "query": "a", "documents": ["b"]},
}
"""A good body for each endpoint that takes one."""


class Gateway:
    def __init__(self, runner: web.AppRunner, session: ClientSession) -> None:
        self.host, self.port = runner.addresses[0][:2]
        self.url = f"http://{self.host}:{self.port}"
        self.session = session

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(data)
        return reader, writer

    async def answer_to(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of an answer that closes its connection."""
        reader, writer = await self.raw(data)
        whole = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@asynccontextmanager
async def real_gateway(worker: ScriptedWorker, **settings: Any) -> AsyncIterator[Gateway]:
    """With the connections that `rostra gateway` has."""
    chosen = GatewaySettings(workers=(worker.address,), **{**FAST, **settings})
    app = create_app(chosen)
    runner = make_runner(app, chosen.model_copy(update={"drain_grace": 0.0}))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await eventually(lambda: all(link.serving for link in app[FLEET]))
        async with ClientSession() as session:
            yield Gateway(runner, session)
    finally:
        await runner.cleanup()


def check_envelope(status: int, body: bytes, path: str = "") -> dict[str, Any]:
    """The error of an answer that is none of success."""
    document = orjson.loads(body)
    error: dict[str, Any] = document["error"]
    if "/messages" in path:
        assert document["type"] == "error"
    else:
        assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "\n" not in error["message"]
    assert 400 <= status < 500
    return error
