"""Tools over /v1/messages: Anthropic's official client against the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic_harness import USER, WEATHER, answers, blocks
from gateway_harness import ScriptedWorker

from rostra.v1 import chat_pb2, tokens_pb2


async def test_a_loop_of_tool_calls(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    """The answer goes back as it came, with the results of two calls, one of them failed."""
    calls = [("weather", '{"city": "Rome"}'), ("weather", '{"city": "Oz"}')]
    worker.script = answers(
        blocks(thinking="Hm.", text="I look.", calls=calls), tokens_pb2.FINISH_REASON_TOOL_CALLS
    )
    history: Any = [USER]
    answer = await anthropic_client.messages.create(
        model="tiny", max_tokens=9, messages=history, tools=[WEATHER], tool_choice={"type": "any"}
    )
    results = [
        {"type": "tool_result", "tool_use_id": "call_0", "content": "18 degrees"},
        {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": [{"type": "text", "text": "no such city"}],
            "is_error": True,
        },
        {"type": "text", "text": "And?"},
    ]
    history += [answer.to_param(), {"role": "user", "content": results}]
    worker.script = answers(blocks(text="It is warm."))
    last = await anthropic_client.messages.create(
        model="tiny", max_tokens=9, messages=history, tools=[WEATHER]
    )
    assert last.content[0].text == "It is warm."
    first, second = worker.requests
    assert first.tool_choice.mode == chat_pb2.ToolChoice.MODE_REQUIRED
    assert first.tools[0].name == "weather"
    assert "city" in first.tools[0].parameters_schema
    _, assistant, rome, oz, user = second.messages
    assert (assistant.reasoning, assistant.content[0].text) == ("Hm.", "I look.")
    assert [(call.id, call.arguments) for call in assistant.tool_calls] == [
        ("call_0", '{"city":"Rome"}'),
        ("call_1", '{"city":"Oz"}'),
    ]
    assert (rome.role, rome.tool_call_id, rome.content[0].text) == (
        chat_pb2.ROLE_TOOL,
        "call_0",
        "18 degrees",
    )
    assert (oz.tool_call_id, oz.content[0].text) == ("call_1", "Error: no such city")
    assert (user.role, user.content[0].text) == (chat_pb2.ROLE_USER, "And?")


async def test_the_clients_tool_runner(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """Of a city."""
        return f"{city} is warm"

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        asked = len(request.messages) == 1
        said = blocks(calls=[("weather", '{"city": "Rome"}')]) if asked else blocks(text="Warm.")
        reason = tokens_pb2.FINISH_REASON_TOOL_CALLS if asked else tokens_pb2.FINISH_REASON_STOP
        async for message in answers(said, reason)(request, context):
            yield message

    worker.script = script
    runner = anthropic_client.beta.messages.tool_runner(
        model="tiny", max_tokens=9, messages=[USER], tools=[weather]
    )
    last = await runner.until_done()
    assert last.content[0].text == "Warm."
    assert worker.requests[1].messages[2].content[0].text == "Rome is warm"


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ({"type": "auto"}, chat_pb2.ToolChoice.MODE_AUTO, None),
        ({"type": "none"}, chat_pb2.ToolChoice.MODE_NONE, None),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            chat_pb2.ToolChoice.MODE_REQUIRED,
            False,
        ),
        (
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": False},
            chat_pb2.ToolChoice.MODE_NAMED,
            True,
        ),
    ],
)
async def test_the_choice_among_tools(
    anthropic_client: anthropic.AsyncAnthropic,
    worker: ScriptedWorker,
    choice: Any,
    mode: int,
    parallel: bool | None,
) -> None:
    await anthropic_client.messages.create(
        model="tiny", max_tokens=9, messages=[USER], tools=[WEATHER], tool_choice=choice
    )
    [request] = worker.requests
    assert request.tool_choice.mode == mode
    assert request.tool_choice.name == choice.get("name", "")
    assert request.HasField("parallel_tool_calls") == (parallel is not None)
    assert request.parallel_tool_calls == bool(parallel)
