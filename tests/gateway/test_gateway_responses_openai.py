"""The official client library's responses against the gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from gateway_harness import ScriptedWorker, call, plays, refuse, says
from grpc import StatusCode
from openai.types.responses import Response
from pydantic import BaseModel

from rostra.v1 import chat_pb2

LOGPROBS: Any = ["message.output_text.logprobs"]


class City(BaseModel):
    name: str


class Weather(BaseModel):
    """Asks for the weather."""

    city: str


WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": openai.pydantic_function_tool(Weather)["function"]["parameters"],
    "strict": True,
}


async def test_async(aclient: openai.AsyncOpenAI) -> None:
    response = await aclient.responses.create(
        model="tiny", input="hi", include=LOGPROBS, top_logprobs=2, reasoning={"effort": "low"}
    )
    # Unlike the client itself, which takes whatever comes.
    Response.model_validate_json(response.model_dump_json(by_alias=True), strict=True)
    assert response.output_text == "Hello world"
    message = response.output[0]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert part.logprobs[0].top_logprobs[1].token == "other"
    assert response.usage is not None
    assert response.usage.total_tokens == 5


async def test_sync(base_url: str) -> None:
    def calls() -> Any:
        with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            first = client.responses.create(model="tiny", input="hi")
            events = client.responses.create(model="tiny", input="hi", stream=True)
            text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
            with client.responses.stream(model="tiny", input="hi") as stream:
                stream.until_done()
                final = stream.get_final_response()
            read = client.responses.retrieve(first.id)
            listed = list(client.responses.input_items.list(first.id, limit=1))
            client.responses.delete(first.id)
            with pytest.raises(openai.NotFoundError):
                client.responses.retrieve(first.id)
            with pytest.raises(openai.BadRequestError):
                client.responses.cancel(final.id)
            return first, text, final, read, listed

    first, text, final, read, listed = await asyncio.to_thread(calls)
    assert first.output_text == text == final.output_text == "Hello world"
    assert read == first
    assert [item.content[0].text for item in listed] == ["hi"]


async def test_parse(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = says(['{"na', 'me": "Rome"}'])
    parsed = await aclient.responses.parse(model="tiny", input="hi", text_format=City)
    assert parsed.output_parsed == City(name="Rome")
    schema = json.loads(worker.requests[0].structured_output.json_schema)
    assert schema["properties"] == {"name": {"title": "Name", "type": "string"}}
    # What it parsed can be sent back.
    said: Any = [
        {"role": "user", "content": "hi"},
        *parsed.output,
        {"role": "user", "content": "?"},
    ]
    await aclient.responses.create(model="tiny", input=said)
    said[1] = parsed.output[0].model_dump()
    await aclient.responses.create(model="tiny", input=said)
    for request in worker.requests[1:]:
        assert request.messages[1].content[0].text == '{"name": "Rome"}'


async def test_stream_with_a_format(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = says(['{"na', 'me": "Rome"}'])
    kinds = []
    async with aclient.responses.stream(model="tiny", input="hi", text_format=City) as stream:
        async for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.done":
                assert event.parsed == City(name="Rome")
        final = await stream.get_final_response()
    assert final.output_parsed == City(name="Rome")
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"


def has_the_weather(worker: ScriptedWorker) -> None:
    """Calls the tool, and says what it returned."""

    async def script(request: Any, context: Any) -> Any:
        last = request.messages[-1]
        if last.role == chat_pb2.ROLE_TOOL:
            played = says([f"It is {last.content[0].text}."])
        else:
            thought = chat_pb2.ChatDelta(reasoning="I must ask.")
            played = plays(thought, *call("weather", '{"city": "Rome"}', call_id="call_1"))
        async for message in played(request, context):
            yield message

    worker.script = script


def outputs_of(response: Any) -> list[Any]:
    return [
        {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
        for item in response.output
        if item.type == "function_call"
    ]


@pytest.mark.parametrize("stored", [True, False])
async def test_tool_loop(aclient: openai.AsyncOpenAI, worker: ScriptedWorker, stored: bool) -> None:
    """With the gateway's memory, and with the whole history sent each time."""
    has_the_weather(worker)
    said: list[Any] = [{"role": "user", "content": "How is Rome?"}]
    previous: Any = openai.omit
    sending = said
    while True:
        response = await aclient.responses.create(
            model="tiny",
            input=sending,
            tools=[WEATHER],
            previous_response_id=previous,
            store=stored,
        )
        said += response.output
        if not (returned := outputs_of(response)):
            break
        said += returned
        sending, previous = (returned, response.id) if stored else (said, openai.omit)
    assert response.output_text == "It is sunny."
    user, turn, result = worker.requests[-1].messages
    assert user.content[0].text == "How is Rome?"
    assert turn.reasoning == "I must ask."
    assert json.loads(turn.tool_calls[0].arguments) == {"city": "Rome"}
    assert (result.tool_call_id, result.content[0].text) == ("call_1", "sunny")


async def test_calls_are_parsed(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    has_the_weather(worker)
    async with aclient.responses.stream(model="tiny", input="hi", tools=[WEATHER]) as stream:
        deltas = [
            event.delta
            async for event in stream
            if event.type == "response.function_call_arguments.delta"
        ]
        final = await stream.get_final_response()
    called = final.output[-1]
    assert called.type == "function_call"
    assert called.parsed_arguments == {"city": "Rome"}
    assert "".join(deltas) == called.arguments
    said: Any = [{"role": "user", "content": "hi"}, *final.output, *outputs_of(final)]
    await aclient.responses.create(model="tiny", input=said, tools=[WEATHER])
    said[1:3] = [item.model_dump() for item in final.output]
    await aclient.responses.create(model="tiny", input=said, tools=[WEATHER])
    assert worker.requests[1].messages == worker.requests[2].messages


async def test_errors(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        await aclient.responses.create(model="tiny", input="hi", background=True)
    assert bad.value.param == "background"

    async def breaks_off(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        await refuse(context, StatusCode.INTERNAL)

    worker.script = breaks_off
    events = [
        e async for e in await aclient.responses.create(model="tiny", input="hi", stream=True)
    ]
    assert events[-2].type == "response.failed"
    assert events[-1].type == "error"
    assert events[-1].code == "worker_error"
