"""Streams of /v1/messages on the wire; those that break off; workers that break the contract."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, finish, refuse, usage
from grpc import StatusCode

from rostra.gateway.schemas.answers.anthropic import MessagesError
from rostra.v1 import chat_pb2, tokens_pb2

MESSAGES = "/v1/messages"
HELLO: dict[str, Any] = {
    "model": "tiny",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}


async def test_an_error_half_way_is_raised(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    async def breaks_off(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        await refuse(context, StatusCode.INTERNAL)

    worker.script = breaks_off
    text = ""
    async with anthropic_client.messages.stream(**HELLO) as stream:

        async def read() -> None:
            nonlocal text
            async for piece in stream.text_stream:
                text += piece

        with pytest.raises(anthropic.APIStatusError) as caught:
            await read()
    assert text == "half"
    body: Any = caught.value.body
    assert body["error"]["type"] == "api_error"


async def test_the_stream_as_it_is_written(client: TestClient, worker: ScriptedWorker) -> None:
    response = await client.post(MESSAGES, json={**HELLO, "stream": True})
    assert response.content_type == "text/event-stream"
    records = (await response.text()).removesuffix("\n\n").split("\n\n")
    names = []
    for record in records:
        name, data = record.split("\n")
        names.append(name.removeprefix("event: "))
        assert json.loads(data.removeprefix("data: "))["type"] == names[-1]
    assert names == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("arguments", ["[1]", "{1}", "no"])
async def test_arguments_that_are_no_object(
    client: TestClient, worker: ScriptedWorker, arguments: str
) -> None:
    call = chat_pb2.ToolCallDelta(index=0, id="a", name="weather", arguments=arguments)

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(tool_calls=[call]))
        called = finish(tokens_pb2.FINISH_REASON_TOOL_CALLS)
        yield chat_pb2.ChatResponse(finish=called, usage=usage())

    worker.script = script
    body = {**HELLO, "tools": [TOOL]}
    response = await client.post(MESSAGES, json=body)
    assert response.status == 502
    error = MessagesError.model_validate(await response.json()).error
    assert "no JSON object" in error.message
    streamed = await client.post(MESSAGES, json={**body, "stream": True})
    assert "event: error" in await streamed.text()


async def test_a_call_nobody_offered(client: TestClient, worker: ScriptedWorker) -> None:
    call = chat_pb2.ToolCallDelta(index=0, id="a", name="weather", arguments="{}")

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(tool_calls=[call]))

    worker.script = script
    response = await client.post(MESSAGES, json=HELLO)
    assert response.status == 502
    assert MessagesError.model_validate(await response.json()).error.type == "api_error"
