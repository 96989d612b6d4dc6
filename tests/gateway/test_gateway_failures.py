"""What a client is told when a worker cannot answer, and when another one takes over."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from gateway_harness import (
    ScriptedWorker,
    any_serving,
    eventually,
    finish,
    gateway_before,
    refuse,
    refuses,
    says,
    usage,
)
from grpc import StatusCode

from rostra.v1 import chat_pb2, tokens_pb2

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


def content(text: str) -> chat_pb2.ChatResponse:
    return chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=text))


async def answer_or_last_event(client: TestClient, stream: bool) -> tuple[int, dict[str, Any]]:
    return await end_of(await client.post(CHAT, json={**HELLO, "stream": stream}), stream)


async def end_of(response: ClientResponse, stream: bool) -> tuple[int, dict[str, Any]]:
    if response.status != 200 or not stream:
        return response.status, await response.json()
    *_, before, last, rest = (await response.read()).split(b"\n\n")
    assert rest == b""
    last = before if last == b"data: [DONE]" else last
    return response.status, orjson.loads(last.removeprefix(b"data: "))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("script", "status", "param", "code"),
    [
        (
            refuses(
                StatusCode.INVALID_ARGUMENT, reason="invalid_value", field="sampling.temperature"
            ),
            400,
            "temperature",
            "invalid_value",
        ),
        (
            refuses(StatusCode.INVALID_ARGUMENT, reason="unsupported_value", field="messages[0]"),
            400,
            "messages[0]",
            "unsupported_value",
        ),
        (refuses(StatusCode.INVALID_ARGUMENT), 400, None, "invalid_value"),
        (refuses(StatusCode.NOT_FOUND), 404, "model", "model_not_found"),
        (refuses(StatusCode.ALREADY_EXISTS), 409, None, "already_exists"),
        (refuses(StatusCode.UNIMPLEMENTED), 400, None, "unsupported_operation"),
        (refuses(StatusCode.RESOURCE_EXHAUSTED, retry_after=2.5), 429, None, "queue_full"),
        (refuses(StatusCode.DEADLINE_EXCEEDED), 504, None, "deadline_exceeded"),
        (refuses(StatusCode.UNAVAILABLE), 503, None, "no_worker_available"),
        (refuses(StatusCode.CANCELLED), 503, None, "no_worker_available"),
        (refuses(StatusCode.INTERNAL), 502, None, "worker_error"),
    ],
)
async def test_statuses(
    client: TestClient,
    worker: ScriptedWorker,
    stream: bool,
    script: Any,
    status: int,
    param: str | None,
    code: str,
) -> None:
    worker.script = script
    response = await client.post(CHAT, json={**HELLO, "stream": stream})
    assert response.status == status
    error = (await response.json())["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert error["message"].startswith(f"{param}: ") or status != 400 or param is None
    assert response.headers.get("Retry-After") == {429: "3", 503: "1"}.get(status)
    # Only a lost worker is worth another attempt when there is nobody else.
    assert len(worker.requests) == (3 if code == "no_worker_available" else 1)


async def test_a_token_that_is_none_is_one_of_the_prompt(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = refuses(StatusCode.INVALID_ARGUMENT, field="tokens.ids[1]")
    response = await client.post("/v1/completions", json={"model": "tiny", "prompt": [1, 99999]})
    assert response.status == 400
    assert (await response.json())["error"]["param"] == "prompt"


async def test_context_length(client: TestClient, worker: ScriptedWorker) -> None:
    numbers = {"prompt_tokens": "200", "max_tokens": "50", "max_model_len": "128"}
    worker.script = refuses(
        StatusCode.INVALID_ARGUMENT, reason="context_length_exceeded", metadata=numbers
    )
    response = await client.post(CHAT, json=HELLO)
    assert response.status == 400
    error = (await response.json())["error"]
    assert (error["param"], error["code"]) == ("messages", "context_length_exceeded")
    assert all(number in error["message"] for number in numbers.values())


async def test_unknown_model(client: TestClient, worker: ScriptedWorker) -> None:
    response = await client.post(CHAT, json={**HELLO, "model": "huge"})
    assert response.status == 404
    assert (await response.json())["error"]["code"] == "model_not_found"
    assert worker.requests == []


async def test_nobody_there() -> None:
    async with gateway_before(["127.0.0.1:1"], ready=False) as client:
        response = await client.post(CHAT, json=HELLO)
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert (await response.json())["error"]["code"] == "no_worker_available"


async def test_a_request_waits_for_a_worker_that_comes(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address], ready=False, worker_wait=10) as client:
        response = await client.post(CHAT, json=HELLO)
        assert response.status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_another_worker_takes_over(stream: bool) -> None:
    async def is_lost(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(request_id="1", prompt_tokens=3)
        if not stream:
            yield content("half an")
        await refuse(context, StatusCode.UNAVAILABLE)

    async with (
        ScriptedWorker(is_lost) as first,
        ScriptedWorker() as second,
        gateway_before([first.address, second.address]) as client,
    ):
        for _ in range(20):
            status, last = await answer_or_last_event(client, stream)
            assert status == 200
            if not stream:
                assert last["choices"][0]["message"]["content"] == "Hello world"
        assert first.requests
        assert len(second.requests) == 20
        text = await (await client.get("/metrics")).text()
        assert f'retries_total{{status="UNAVAILABLE"}} {len(first.requests)}.0' in text


async def test_a_full_queue_sends_the_request_on() -> None:
    async with (
        ScriptedWorker(refuses(StatusCode.RESOURCE_EXHAUSTED, retry_after=1)) as full,
        ScriptedWorker() as free,
        gateway_before([full.address, free.address]) as client,
    ):
        for _ in range(20):
            assert (await client.post(CHAT, json=HELLO)).status == 200
        assert full.requests
        free.script = full.script
        response = await client.post(CHAT, json=HELLO)
        assert response.status == 429


async def test_nothing_is_repeated_once_something_was_sent() -> None:
    async def breaks_off(request: Any, context: Any) -> Any:
        yield content("half an")
        await asyncio.sleep(0.05)
        await refuse(context, StatusCode.UNAVAILABLE)

    async with (
        ScriptedWorker(breaks_off) as first,
        ScriptedWorker(breaks_off) as second,
        gateway_before([first.address, second.address]) as client,
    ):
        status, last = await answer_or_last_event(client, stream=True)
        assert status == 200
        assert last["error"]["code"] == "no_worker_available"
        assert len(first.requests) + len(second.requests) == 1
        text = await (await client.get("/metrics")).text()
        assert 'model="tiny",route="/v1/chat/completions",status="503"' in text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_worker_that_dies_half_way(stream: bool) -> None:
    async with (
        ScriptedWorker(says(["a"] * 1000, pause=0.01)) as worker,
        gateway_before([worker.address]) as client,
    ):
        asking = asyncio.create_task(client.post(CHAT, json={**HELLO, "stream": stream}))
        if stream:
            # Its status is sent with the first word.
            await asyncio.wait_for(asyncio.shield(asking), 10)
        await eventually(lambda: worker.running == 1)
        await worker.stop()
        status, last = await end_of(await asking, stream)
        assert status == (200 if stream else 503)
        assert last["error"]["code"] == "no_worker_available"


async def test_a_worker_comes_back_by_itself(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address]) as client:
        await worker.stop()
        assert (await client.post(CHAT, json=HELLO)).status == 503
        assert (await client.get("/ready")).status == 503
        again = await ScriptedWorker().start(worker.port)
        await eventually(lambda: any_serving(client))
        assert (await client.post(CHAT, json=HELLO)).status == 200
        await again.stop()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deadline(worker: ScriptedWorker, stream: bool) -> None:
    worker.script = says(["a"] * 1000, pause=0.01)
    async with gateway_before([worker.address], request_timeout=0.3) as client:
        status, last = await answer_or_last_event(client, stream)
        assert status == (200 if stream else 504)
        assert last["error"]["code"] == "deadline_exceeded"


async def unfinished(request: Any, context: Any) -> Any:
    yield content("half an")


async def no_usage(request: Any, context: Any) -> Any:
    yield chat_pb2.ChatResponse(finish=finish())


async def second_finish(request: Any, context: Any) -> Any:
    yield chat_pb2.ChatResponse(finish=finish())
    yield chat_pb2.ChatResponse(finish=finish(), usage=usage())


async def stray_output(request: Any, context: Any) -> Any:
    yield chat_pb2.ChatResponse(index=1, finish=finish(), usage=usage())


async def unknown_reason(request: Any, context: Any) -> Any:
    yield chat_pb2.ChatResponse(finish=tokens_pb2.Finish(), usage=usage())


async def stray_tool_call(request: Any, context: Any) -> Any:
    call = chat_pb2.ToolCallDelta(name="f")
    yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(tool_calls=[call]))


async def nothing(request: Any, context: Any) -> Any:
    for none in ():
        yield none


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        unfinished,
        no_usage,
        second_finish,
        stray_output,
        unknown_reason,
        stray_tool_call,
        nothing,
    ],
)
async def test_a_broken_answer_never_passes_for_a_whole_one(
    client: TestClient, worker: ScriptedWorker, script: Any, stream: bool
) -> None:
    worker.script = script
    _, last = await answer_or_last_event(client, stream)
    assert last["error"]["code"] == "worker_error"


async def test_an_operators_abort(client: TestClient, worker: ScriptedWorker) -> None:
    async def script(request: Any, context: Any) -> Any:
        yield content("half an")
        yield chat_pb2.ChatResponse(finish=finish(tokens_pb2.FINISH_REASON_ABORT), usage=usage())

    worker.script = script
    status, body = await answer_or_last_event(client, stream=False)
    assert status == 410
    assert body["error"]["code"] == "request_aborted"
