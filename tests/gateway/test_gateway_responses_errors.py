"""/v1/responses where the worker fails, or the client does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, refuse
from grpc import StatusCode
from responses_harness import ASK, TIME, WEATHER, kinds, refusal, stream

from rostra.v1 import chat_pb2


async def test_an_error_before_the_first_event_is_an_answer(
    client: TestClient, worker: ScriptedWorker
) -> None:
    assert (await refusal(client, 404, model="huge", stream=True))["code"] == "model_not_found"

    async def too_long(request: Any, context: Any) -> Any:
        numbers = {"prompt_tokens": "200", "max_model_len": "128"}
        await refuse(
            context,
            StatusCode.INVALID_ARGUMENT,
            reason="context_length_exceeded",
            field="messages",
            metadata=numbers,
        )
        yield

    worker.script = too_long
    error = await refusal(client, stream=True)
    assert (error["param"], error["code"]) == ("input", "context_length_exceeded")


async def test_an_error_half_way_is_the_last_event(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def breaks_off(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        await refuse(context, StatusCode.UNAVAILABLE)

    worker.script = breaks_off
    failed, error = (await stream(client))[-2:]
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "server_error"
    assert failed["response"]["output"][0]["content"][0]["text"] == "half"
    assert (error["type"], error["code"]) == ("error", "no_worker_available")
    assert (await client.get(f"/v1/responses/{failed['response']['id']}")).status == 404


async def test_a_truncated_stream_is_no_answer(client: TestClient, worker: ScriptedWorker) -> None:
    async def stops(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))

    worker.script = stops
    answer = await client.post("/v1/responses", json=ASK)
    assert answer.status == 502
    assert kinds(await stream(client))[-2:] == ["failed", "error"]


async def test_a_client_that_leaves_ends_the_request(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def goes_on(request: Any, context: Any) -> Any:
        while True:
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="and on "))
            await asyncio.sleep(0.005)

    worker.script = goes_on
    answer = await client.post("/v1/responses", json={**ASK, "stream": True})
    await answer.content.readuntil(b"output_text.delta")
    answer.close()
    await eventually(lambda: worker.running == 0)


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("sampling.max_tokens", "max_output_tokens"),
        ("sampling.logprobs", "top_logprobs"),
        ("sampling.temperature", "temperature"),
        ("messages[3].content", "input"),
        ("tools[0].parameters_schema", "tools[1].parameters"),
        ("tool_choice.name", "tool_choice"),
        ("structured_output.json_schema", "text.format"),
        ("template_variables[reasoning_effort]", "reasoning.effort"),
        ("template_variables[other]", "chat_template_kwargs"),
    ],
)
async def test_the_worker_blames_a_field_by_its_name_here(
    client: TestClient, worker: ScriptedWorker, field: str, param: str
) -> None:
    async def refuses(request: Any, context: Any) -> Any:
        await refuse(context, StatusCode.INVALID_ARGUMENT, "is bad", field=field)
        yield

    worker.script = refuses
    only_time = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "time"}],
    }
    error = await refusal(client, tools=[WEATHER, TIME], tool_choice=only_time)
    assert error["param"] == param
    assert error["message"] == f"{param}: is bad"


@pytest.mark.parametrize("depth", range(246, 258))
async def test_schemas_are_told_again_or_too_deep(client: TestClient, depth: int) -> None:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    for body in (
        {"tools": [{**TIME, "parameters": schema}]},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}},
    ):
        for streamed in (False, True):
            answer = await client.post("/v1/responses", json={**ASK, **body, "stream": streamed})
            text = await answer.text()
            assert answer.status in (200, 400), text
            assert "too deeply" in text if answer.status == 400 else "Hello world" in text
