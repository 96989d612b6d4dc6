"""An answer that breaks off goes on at another worker of the same model revision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import (
    ScriptedWorker,
    finish,
    gateway_before,
    refuse,
    says,
    token,
    usage,
)
from grpc import StatusCode

from rostra.v1 import chat_pb2, inference_pb2

CHAT = "/v1/chat/completions"
HELLO = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "hi"}],
    "stream_options": {"include_usage": True},
    "stream": True,
}
WORDS = [f"w{number} " for number in range(8)]
RESUME = {"resume": True, "breaker_min_calls": 1000}


def goes_on(breaks_before: int | None = None, outputs: int = 1, end: Any = None) -> Any:
    """Says WORDS, a token each, from behind what it is told was said; breaks where it is told to,
    as `end` does."""

    async def script(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        response = chat_pb2.ChatResponse
        yield response(request_id=request.request_id, prompt_tokens=3)
        begun = {output.index: len(output.token_ids) for output in request.resumed}
        over = {output.index for output in request.resumed if output.HasField("finish")}
        for place, word in enumerate(WORDS):
            if place == breaks_before:
                await (end or refuse)(context, StatusCode.UNAVAILABLE)
            for index in range(outputs):
                if place < begun.get(index, 0) or index in over:
                    continue
                ids = [place] if request.resumable else []
                delta = chat_pb2.ChatDelta(content=word)
                yield response(index=index, delta=delta, token_ids=ids)
            await asyncio.sleep(0.01)
        for index in range(outputs):
            if index not in over:
                last = usage(3, len(WORDS) * outputs) if index == outputs - 1 else None
                yield response(index=index, finish=finish(), usage=last)

    return script


def resuming(script: Any, revision: str = "abcdef0123456789") -> ScriptedWorker:
    worker = ScriptedWorker(script)
    worker.model.resumes = True
    worker.model.revision = revision
    return worker


async def read(client: TestClient, **fields: Any) -> list[dict[str, Any]]:
    async with client.post(CHAT, json={**HELLO, **fields}) as response:
        assert response.status == 200, await response.text()
        events = [line[6:] for line in (await response.read()).split(b"\n\n") if line]
    return [orjson.loads(event) for event in events if event != b"[DONE]"]


def text(events: list[dict[str, Any]], index: int = 0) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        for choice in event.get("choices", ())
        if choice["index"] == index
    )


@pytest.mark.parametrize("place", range(1, 8))
async def test_the_client_sees_one_stream(place: int) -> None:
    async with (
        resuming(goes_on(place)) as first,
        resuming(goes_on()) as second,
        gateway_before([first.address, second.address], failover=RESUME) as client,
    ):
        while not first.requests:
            events = await read(client)
            assert text(events) == "".join(WORDS)
        assert len({event["id"] for event in events}) == 1
        roles = [c["delta"] for e in events for c in e["choices"] if c["delta"].get("role")]
        assert len(roles) == 1
        assert events[-1]["usage"]["completion_tokens"] == len(WORDS)
        (resumed,) = second.requests[-1].resumed
        assert list(resumed.token_ids) == list(range(place))
        assert second.requests[-1].sampling.seed == first.requests[-1].sampling.seed
        metrics = await (await client.get("/metrics")).text()
        assert 'rostra_gateway_resumes_total{model="tiny"} 1.0' in metrics
        total = len(first.requests) + len(second.requests)
        assert f'time_to_first_token_seconds_count{{model="tiny"}} {total - 1}.0' in metrics


async def test_a_worker_that_dies_is_gone_on_from() -> None:
    stop = asyncio.Event()

    async def dies(context: grpc.aio.ServicerContext, code: StatusCode) -> None:
        stop.set()
        await asyncio.sleep(60)

    async with resuming(goes_on()) as second:
        first = await resuming(goes_on(4, end=dies)).start()
        async with gateway_before([first.address, second.address], failover=RESUME) as client:

            async def kill() -> None:
                await stop.wait()
                await first.stop()

            killing = asyncio.create_task(kill())
            while not first.requests:
                assert text(await read(client)) == "".join(WORDS)
            await killing


async def test_several_outputs_and_one_that_breaks_twice() -> None:
    async with (
        resuming(goes_on(2, 2)) as first,
        resuming(goes_on(5, 2)) as second,
        resuming(goes_on(None, 2)) as third,
        gateway_before(
            [worker.address for worker in (first, second, third)], failover=RESUME
        ) as client,
    ):
        # Who is asked is drawn, so that a few requests may pass one by.
        for _ in range(200):
            events = await read(client, n=2)
            assert [text(events, index) for index in (0, 1)] == ["".join(WORDS)] * 2
            if first.requests and second.requests:
                break
        assert first.requests
        assert second.requests


async def test_a_whole_answer_is_gone_on_with_too() -> None:
    async with (
        resuming(goes_on(6)) as first,
        resuming(goes_on()) as second,
        gateway_before([first.address, second.address], failover=RESUME) as client,
    ):
        while not first.requests:
            response = await client.post(
                CHAT, json={"model": "tiny", "messages": HELLO["messages"]}
            )
            answer = await response.json()
            assert answer["choices"][0]["message"]["content"] == "".join(WORDS)
            assert answer["usage"]["completion_tokens"] == len(WORDS)
        assert len(second.requests[-1].resumed) == 1


def broken(events: list[dict[str, Any]]) -> bool:
    return "error" in events[-1] and events[-1]["error"]["code"] == "no_worker_available"


async def test_another_revision_or_an_older_worker_cannot_go_on() -> None:
    async with (
        resuming(goes_on(3)) as first,
        resuming(goes_on(), revision="another") as other,
        ScriptedWorker(says(WORDS)) as older,
        gateway_before(
            [worker.address for worker in (first, other, older)],
            failover=RESUME,
            worker_wait=0.0,
            max_attempts=2,
        ) as client,
    ):
        seen = 0
        while not first.requests:
            events = await read(client)
            seen += 1
        # The same worker is asked again, and breaks where it broke.
        assert broken(events)
        assert len(other.requests) + len(older.requests) == seen - 1
        assert len(first.requests) == 2


async def test_off_unless_asked_for() -> None:
    async with (
        resuming(goes_on(3)) as worker,
        gateway_before([worker.address]) as client,
    ):
        assert broken(await read(client))
        assert len(worker.requests) == 1
        assert not worker.requests[0].HasField("resumable")
        assert not worker.requests[0].sampling.HasField("seed")


async def test_what_the_client_says_of_the_seed_stays() -> None:
    async with (
        resuming(goes_on()) as worker,
        ScriptedWorker(says(WORDS)) as older,
        gateway_before([worker.address, older.address], failover=RESUME) as client,
    ):
        while not (worker.requests and older.requests):
            await read(client, seed=7)
        assert {request.sampling.seed for request in worker.requests + older.requests} == {7}
        while older.requests[-1].sampling.HasField("seed"):
            await read(client)
        assert not older.requests[-1].HasField("resumable")


@pytest.mark.parametrize("failover", [RESUME, {}])
async def test_a_break_behind_the_end_is_none(failover: dict[str, Any]) -> None:
    async def breaks_at_the_end(request: Any, context: grpc.aio.ServicerContext) -> Any:
        async for message in goes_on()(request, context):
            yield message
        await refuse(context, StatusCode.UNAVAILABLE)

    async with (
        resuming(breaks_at_the_end) as worker,
        gateway_before([worker.address], failover=failover) as client,
    ):
        events = await read(client)
        assert text(events) == "".join(WORDS)
        assert len(worker.requests) == 1


async def test_completions_go_on_and_say_their_prompt_once() -> None:
    async def script(request: Any, context: grpc.aio.ServicerContext) -> Any:
        response = inference_pb2.GenerateResponse
        yield response(request_id=request.request_id, prompt_tokens=3)
        begun = len(request.resumed[0].token_ids) if request.resumed else 0
        if not begun and request.sampling.HasField("prompt_logprobs"):
            first = token("Once")
            first.ClearField("logprob")
            yield response(prompt=[first])
        for place, word in enumerate(WORDS):
            if place == 4 and not begun:
                await refuse(context, StatusCode.UNAVAILABLE)
            if place >= begun:
                delta = inference_pb2.GenerateDelta(text=word, tokens=[token(word)])
                yield response(delta=delta, token_ids=[place])
                await asyncio.sleep(0.01)
        yield response(finish=finish(), usage=usage(3, len(WORDS)))

    async with (
        resuming(script) as worker,
        gateway_before([worker.address], failover=RESUME) as client,
    ):
        body = {"model": "tiny", "prompt": "Once", "echo": True, "logprobs": 1, "max_tokens": 8}
        response = await client.post("/v1/completions", json=body)
        choice = (await response.json())["choices"][0]
        assert choice["text"] == "Once" + "".join(WORDS)
        assert choice["logprobs"]["tokens"] == ["Once", *WORDS]
        assert not worker.requests[1].sampling.HasField("prompt_logprobs")
