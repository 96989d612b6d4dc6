"""Another server as a member of the mesh: a second gateway with its own worker, or a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from gateway_harness import ScriptedWorker, gateway_before

EXTRAS = (
    *("add_generation_prompt", "cache_salt", "chat_template_kwargs", "continue_final_message"),
    *("ignore_eos", "min_p", "min_tokens", "priority", "reasoning_content"),
    *("repetition_penalty", "stop_token_ids", "structured_outputs", "top_k"),
)
CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "far", "messages": [{"role": "user", "content": "hi"}]}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def member(url: str, **table: Any) -> dict[str, Any]:
    """A `[[gateway.member]]`: `far` here is `tiny` there."""
    models = {"far": "tiny"}
    return {"name": "other", "url": url, "models": models, "probe_interval": 0.1, **table}


def url_of(server: TestServer) -> str:
    return str(server.make_url("/v1"))


@asynccontextmanager
async def gateway_behind(worker: ScriptedWorker, **settings: Any) -> AsyncIterator[str]:
    """The URL of another gateway, with this worker."""
    async with gateway_before([worker.address], **settings) as client:
        yield str(client.make_url("/v1"))


@asynccontextmanager
async def gateway_with(
    *members: dict[str, Any], workers: tuple[str, ...] = (), ready: bool = True, **settings: Any
) -> AsyncIterator[TestClient]:
    async with gateway_before(workers, ready=ready, members=members, **settings) as client:
        yield client


def chunk(delta: dict[str, Any] | None = None, **choice: Any) -> bytes:
    """One event of a chat's stream."""
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": None, **choice}]
    return event({"object": "chat.completion.chunk", "choices": choices})


def event(payload: Any) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


STOP = chunk(finish_reason="stop")
USAGE = event(
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 200,
            "prompt_tokens_details": {"cached_tokens": 600},
        },
    }
)
DONE = b"data: [DONE]\n\n"


class ScriptedServer:
    """Answers what a test tells it to; `chat` may be replaced at any time."""

    def __init__(self, *models: str) -> None:
        self.models = list(models or ("tiny",))
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.chat: Handler = streams(chunk({"content": "Hello"}), STOP, USAGE, DONE)
        self.listing: Handler = self._list
        self.running = 0
        self.probes = 0

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Its URL."""
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/{path:.+}", self._answer)
        async with TestServer(app, handler_cancellation=True) as server:
            yield url_of(server)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        self.probes += 1
        return await self.listing(request)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"data": [{"id": name} for name in self.models]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        self.running += 1
        try:
            return await self.chat(request)
        finally:
            self.running -= 1


def streams(*pieces: bytes | float, end: bool = True) -> Handler:
    """A stream of these bytes; a number is a pause in seconds. Without `end` it breaks off."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            else:
                await asyncio.sleep(piece)
        if not end:
            assert request.transport is not None
            request.transport.close()
        return response

    return handler


def says(status: int, body: Any = None, **headers: str) -> Handler:
    """A whole answer; bytes are sent as they are."""

    async def handler(request: web.Request) -> web.StreamResponse:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(
            status=status, body=data, headers=headers, content_type="application/json"
        )

    return handler


async def answer_of(client: TestClient, **body: Any) -> tuple[int, dict[str, Any]]:
    response = await client.post(CHAT, json={**HELLO, **body})
    return response.status, await response.json()


async def events_of(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    """Of a stream, without its [DONE]."""
    response = await client.post(CHAT, json={**HELLO, **body, "stream": True})
    assert response.status == 200, await response.text()
    blocks = (await response.text()).removesuffix("\n\n").split("\n\n")
    return [
        orjson.loads(block.removeprefix("data: ")) for block in blocks if block != "data: [DONE]"
    ]
