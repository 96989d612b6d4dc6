from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from rostra.arena import errors, gateway_client
from rostra.arena.gateway_client import Delta, End, GatewayClient, Message

QUESTION = [Message(role="user", content="Who are you?")]


def event(payload: object) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


def chunk(text: str | None = None, finish_reason: str | None = None) -> bytes:
    choice = {
        "index": 0,
        "delta": {"content": text} if text else {},
        "finish_reason": finish_reason,
    }
    return event({"choices": [choice], "system_fingerprint": "fp_1"})


@asynccontextmanager
async def gateway(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], timeout: float = 10
) -> AsyncIterator[GatewayClient]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        async with GatewayClient(url, "secret", timeout) as client:
            yield client


def streaming(*parts: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer secret"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        return response

    return handler


async def read(client: GatewayClient, pair) -> list[Delta | End]:
    return [part async for part in client.answer(pair.a, QUESTION)]


async def test_deltas_then_one_end_with_usage_and_revision(pair):
    usage = event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
    parts = [chunk("Hel"), chunk("lo"), chunk(finish_reason="stop"), usage, b"data: [DONE]\n\n"]
    async with gateway(streaming(*parts)) as client:
        assert await read(client, pair) == [Delta("Hel"), Delta("lo"), End("stop", 5, 2, "fp_1")]


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([chunk("Hel")], errors.AnswerBrokenError),
        ([chunk("Hel"), b"data: [DONE]\n\n"], errors.AnswerBrokenError),
        ([b"data: {broken\n\n"], errors.AnswerBrokenError),
        ([event([1, 2])], errors.AnswerBrokenError),
        ([event({"choices": [{"delta": {"content": 5}}]})], errors.AnswerBrokenError),
        ([chunk("Hel"), event({"error": {"message": "worker lost"}})], errors.GatewayRefusedError),
    ],
)
async def test_a_broken_stream_is_a_typed_error_of_one_line(pair, parts, error):
    async with gateway(streaming(*parts)) as client:
        with pytest.raises(error) as caught:
            await read(client, pair)
    assert pair.a.served_name in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_refusal_carries_status_and_message(pair):
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "queue\nis full"}}, status=429)

    async with gateway(refuse) as client:
        with pytest.raises(errors.GatewayRefusedError, match="HTTP 429: queue is full") as caught:
            await read(client, pair)
    assert caught.value.status == 429


async def test_refusal_without_an_envelope_still_says_something(pair):
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(text="<h1>Bad gateway</h1>", status=502)

    async with gateway(refuse) as client:
        with pytest.raises(errors.GatewayRefusedError, match="HTTP 502: <h1>Bad gateway"):
            await read(client, pair)


async def test_nobody_listening(pair):
    async with GatewayClient(f"http://127.0.0.1:{unused_port()}", None, 5) as client:
        with pytest.raises(errors.GatewayUnreachableError, match="check that the gateway runs"):
            await read(client, pair)


async def test_a_host_that_does_not_take_the_connection(pair, monkeypatch):
    monkeypatch.setattr(gateway_client, "CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        # Linux takes one more than the backlog, and answers no further one.
        with socket.create_connection((host, port)):
            async with GatewayClient(f"http://{host}:{port}", None, 30) as client:
                with pytest.raises(errors.GatewayUnreachableError, match=r"within 0\.3 s"):
                    await read(client, pair)


async def test_an_answer_that_never_ends_times_out(pair):
    async def stall(request: web.Request) -> web.StreamResponse:
        response = await streaming(chunk("Hel"))(request)
        await asyncio.sleep(30)
        return response

    async with gateway(stall, timeout=0.3) as client:
        with pytest.raises(errors.AnswerTimeoutError, match="raise answer_timeout"):
            await read(client, pair)


async def test_closing_the_answer_ends_the_request(pair):
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = await streaming()(request)
        try:
            while True:
                await response.write(chunk("more "))
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with gateway(endless) as client:
        async with aclosing(client.answer(pair.a, QUESTION)) as parts:
            assert await anext(parts) == Delta("more ")
        await asyncio.wait_for(ended.wait(), 10)
