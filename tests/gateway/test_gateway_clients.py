"""Clients that go away, that are slow, and that send their body too slowly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, finish, gateway_before, says, usage

from rostra.v1 import chat_pb2, inference_pb2

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


async def silent(request: Any, context: Any) -> Any:
    await asyncio.sleep(60)
    yield chat_pb2.ChatResponse()


@pytest.mark.parametrize(
    ("stream", "script"),
    [
        (True, says(["a"] * 10000, pause=0.01)),
        (False, says(["a"] * 10000, pause=0.01)),
        (True, silent),
        (False, silent),
    ],
    ids=["streaming", "collecting", "before a stream", "before an answer"],
)
async def test_a_client_that_goes_away_ends_its_request(
    client: TestClient, worker: ScriptedWorker, stream: bool, script: Any
) -> None:
    worker.script = script
    asking = asyncio.create_task(client.post(CHAT, json={**HELLO, "stream": stream}))
    await eventually(lambda: worker.running == 1)
    if stream and script is not silent:
        response = await asking
        await response.content.readany()
        response.close()
    else:
        asking.cancel()
    await eventually(lambda: worker.running == 0)
    text = await (await client.get("/metrics")).text()
    assert 'requests_in_flight{route="/v1/chat/completions"} 0.0' in text
    assert 'route="/v1/chat/completions",status="499"} 1.0' in text


async def test_all_prompts_of_a_client_that_goes_away_end(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = says(["a"] * 10000, pause=0.01)
    body = {"model": "tiny", "prompt": ["a", "b", "c"], "max_tokens": 9, "stream": True}
    response = await client.post("/v1/completions", json=body)
    await eventually(lambda: worker.running == 3)
    response.close()
    await eventually(lambda: worker.running == 0)


async def test_one_broken_prompt_ends_the_others(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def script(request: Any, context: Any) -> Any:
        if request.text == "bad":
            yield inference_pb2.GenerateResponse(finish=finish())
        else:
            async for message in says(["a"] * 10000, pause=0.01)(request, context):
                yield message

    worker.script = script
    body = {"model": "tiny", "prompt": ["a", "bad", "c"]}
    response = await client.post("/v1/completions", json=body)
    assert response.status == 502
    await eventually(lambda: worker.running == 0)


async def test_a_slow_reader_slows_the_worker(client: TestClient, worker: ScriptedWorker) -> None:
    sent = 0

    async def floods(request: Any, context: Any) -> Any:
        nonlocal sent
        for _ in range(2000):
            sent += 1
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="x" * 50_000))
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    worker.script = floods
    response = await client.post(CHAT, json={**HELLO, "stream": True})
    await response.content.readany()
    seen = -1
    while seen != sent:
        seen = sent
        await asyncio.sleep(0.3)
    assert sent < 1000
    total = 0
    async for part in response.content.iter_chunked(1 << 20):
        total += len(part)
    assert sent == 2000
    assert total > 2000 * 50_000 - 200_000


async def test_a_body_that_never_comes(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address], body_timeout=0.1) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        status = await asyncio.wait_for(reader.readline(), 10)
        assert b"408" in status
        writer.close()
