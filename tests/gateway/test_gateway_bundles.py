"""A worker's messages for many calls come by one stream, and nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import orjson
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from gateway_harness import (
    ScriptedWorker,
    eventually,
    finish,
    gateway_before,
    refuse,
    says,
    token,
    usage,
)

from rostra.gateway.bundle import NUM_BUNDLED
from rostra.gateway.keys import FLEET
from rostra.gateway.worker_link import WorkerLink
from rostra.mesh.worker.bundles import METADATA
from rostra.v1 import chat_pb2

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def link_of(client: TestClient) -> WorkerLink:
    assert client.app is not None
    (link,) = client.app[FLEET]
    return link


async def bundled(client: TestClient) -> WorkerLink:
    link = link_of(client)
    await eventually(lambda: link.bundle.open)
    return link


async def read(client: TestClient, path: str = CHAT, **fields: Any) -> list[Any]:
    """The events of a stream; the last one is `[DONE]` or an error."""
    async with client.post(path, json={**HELLO, **fields}) as response:
        assert response.status == 200, await response.text()
        return await rest(response)


async def rest(response: ClientResponse) -> list[Any]:
    lines = [line[6:] async for line in response.content if line.startswith(b"data: ")]
    return [line.strip() if line.startswith(b"[DONE]") else orjson.loads(line) for line in lines]


def text(events: list[Any]) -> str:
    deltas = [event["choices"][0]["delta"] for event in events if isinstance(event, dict)]
    return "".join(delta.get("content") or "" for delta in deltas)


async def counting(request: Any, context: Any) -> AsyncIterator[Any]:
    yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
    for number in range(2000):
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=f"{number} "))
        await asyncio.sleep(0)
    yield chat_pb2.ChatResponse(finish=finish(), usage=usage())


@pytest.mark.parametrize("bundling", [True, False])
async def test_answers_are_the_same_with_and_without(bundling: bool) -> None:
    worker = ScriptedWorker(counting)
    worker.bundling = bundling
    async with worker, gateway_before([worker.address]) as client:
        if bundling:
            await bundled(client)
        answers = await asyncio.gather(*(read(client) for _ in range(5)))
        for events in answers:
            assert text(events) == "".join(f"{number} " for number in range(2000))
            assert events[-1] == b"[DONE]"
        assert all((METADATA in each) == bundling for each in worker.metadata)


async def test_completions_are_bundled_too(worker: ScriptedWorker) -> None:
    worker.script = says([" once", " upon"])
    async with gateway_before([worker.address]) as client:
        await bundled(client)
        body = {"model": "tiny", "prompt": "a", "messages": None}
        body.pop("messages")
        async with client.post("/v1/completions", json=body) as response:
            assert (await response.json())["choices"][0]["text"] == " once upon"
        assert METADATA in worker.metadata[0]


async def test_what_came_before_an_error_is_passed_on(worker: ScriptedWorker) -> None:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        for number in range(500):
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=f"{number} "))
        await refuse(context, grpc.StatusCode.DEADLINE_EXCEEDED, "too late")

    worker.script = script
    async with gateway_before([worker.address]) as client:
        await bundled(client)
        for _ in range(5):
            *events, error = await read(client)
            assert text(events) == "".join(f"{number} " for number in range(500))
            assert error["error"]["code"] == "deadline_exceeded"


class LateBundle(ScriptedWorker):
    """What it says by its bundle is on its way for long."""

    async def Bundle(self, requests: Any, context: Any) -> None:
        async def late(message: Any) -> None:
            await asyncio.sleep(0.2)
            await context.write(message)

        await self.bundles.serve(requests, late)


@pytest.mark.parametrize("refusing", [True, False])
async def test_what_came_before_an_early_end_is_passed_on(refusing: bool) -> None:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        if refusing:
            await refuse(context, grpc.StatusCode.DEADLINE_EXCEEDED, "too late")

    async with LateBundle(script) as worker, gateway_before([worker.address]) as client:
        await bundled(client)
        *events, error = await read(client)
        assert text(events) == "half"
        assert error["error"]["code"] == ("deadline_exceeded" if refusing else "worker_error")


class LossyBundle(ScriptedWorker):
    """What it says by its bundle never comes."""

    async def Bundle(self, requests: Any, context: Any) -> None:
        async def named(message: Any) -> None:
            if message.HasField("bundle_id"):
                await context.write(message)

        await self.bundles.serve(requests, named)


async def test_messages_that_never_come_are_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        await refuse(context, grpc.StatusCode.DEADLINE_EXCEEDED, "too late")

    monkeypatch.setattr("rostra.gateway.bundle._ON_ITS_WAY", 0.2)
    async with LossyBundle(script) as worker, gateway_before([worker.address]) as client:
        await bundled(client)
        async with asyncio.timeout(30):
            response = await client.post(CHAT, json=HELLO)
            body = await response.text()
    assert "deadline_exceeded" in body


class Miscounting(ScriptedWorker):
    """It does not tell how many messages there were by its bundle, but `told`."""

    told = ""

    async def Chat(self, request: Any, context: Any) -> None:
        context.set_trailing_metadata(((NUM_BUNDLED, self.told),))


@pytest.mark.parametrize("told", ["many", "-1", "9" * 5000, ""])
async def test_a_count_of_messages_that_is_no_number(told: str) -> None:
    async with Miscounting(counting) as worker, gateway_before([worker.address]) as client:
        worker.told = told
        await bundled(client)
        response = await client.post(CHAT, json=HELLO)
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (503, "no_worker_available"), error


async def test_a_reader_that_stops_holds_up_its_own_call_only(worker: ScriptedWorker) -> None:
    made = 0
    piece = "x" * 1000

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        nonlocal made
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        many = request.HasField("cache_salt")
        for _ in range(30_000 if many else 100):
            made += many
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=piece))
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    worker.script = script
    async with gateway_before([worker.address]) as client:
        await bundled(client)
        async with client.post(CHAT, json={**HELLO, "cache_salt": "s"}) as slow:
            assert slow.status == 200
            before = -1
            while before != made:
                before = made
                await asyncio.sleep(0.3)
            assert made < 30_000, "the worker went on for a reader that does not read"
            assert text(await read(client)) == piece * 100
            pieces = 0
            async for line in slow.content:
                pieces += line.count(piece.encode())
        assert pieces == 30_000
        assert made == 30_000


async def test_the_end_of_a_bundle_is_the_loss_of_a_worker(worker: ScriptedWorker) -> None:
    waiting = asyncio.Event()

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        if request.HasField("cache_salt"):
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="begun"))
        if not waiting.is_set():
            waiting.set()
            await asyncio.sleep(60)
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="all"))
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    worker.script = script
    async with gateway_before([worker.address]) as client:
        link = await bundled(client)
        # Nothing was passed on: the call is made again.
        asked = asyncio.create_task(read(client))
        await waiting.wait()
        worker.bundles.close()
        assert text(await asked) == "all"
        # Something was: the client is told.
        await eventually(lambda: link.bundle.open)
        waiting.clear()
        # Its status comes with the first word.
        async with client.post(CHAT, json={**HELLO, "cache_salt": "s"}) as response:
            await waiting.wait()
            worker.bundles.close()
            *events, error = await rest(response)
        assert text(events) == "begun"
        assert error["error"]["code"] == "no_worker_available"


async def test_a_worker_that_is_out_for_a_moment_loses_no_running_call(
    worker: ScriptedWorker,
) -> None:
    ending = asyncio.Event()

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        while not ending.is_set():
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="on "))
            await asyncio.sleep(0.01)
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    worker.script = script
    async with gateway_before([worker.address], load_timeout=0.1) as client:
        link = await bundled(client)
        asked = asyncio.create_task(read(client))
        await eventually(lambda: bool(worker.running))
        worker.load_delay = 1.0
        await eventually(lambda: not link.serving)
        worker.load_delay = 0.0
        await eventually(lambda: link.serving)
        ending.set()
        assert (await asked)[-1] == b"[DONE]"


async def test_logprobs_come_with_their_tokens(worker: ScriptedWorker) -> None:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        delta = chat_pb2.ChatDelta(content="a", tokens=[token("a", -0.25)])
        yield chat_pb2.ChatResponse(delta=delta)
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    worker.script = script
    async with gateway_before([worker.address]) as client:
        await bundled(client)
        events = await read(client, logprobs=True)
        logprobs = [e["choices"][0]["logprobs"] for e in events[:-1] if e["choices"][0]["logprobs"]]
        assert logprobs[0]["content"][0]["logprob"] == -0.25
