"""The official client library's tools and formats against the gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import openai
import pytest
from gateway_harness import ScriptedWorker, call, plays
from pydantic import BaseModel

from rostra.v1 import chat_pb2

USER: Any = {"role": "user", "content": "What is the weather in Rome and in Bonn?"}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Weather(BaseModel):
    city: str
    unit: Literal["C", "F"] = "C"


def says(text: str, reasoning: str = "") -> chat_pb2.ChatDelta:
    return chat_pb2.ChatDelta(content=text, reasoning=reasoning)


async def asks_for_two_cities(request: Any, context: Any) -> Any:
    """Calls a tool until it has been answered."""
    answered = [message for message in request.messages if message.role == chat_pb2.ROLE_TOOL]
    if answered:
        texts = [part.text for message in answered for part in message.content]
        script = plays(says(" and ".join(texts)))
    else:
        script = plays(
            *call("weather", '{"city": "Rome"}', call_id="r"),
            *call("weather", '{"city": "Bonn"}', index=1, call_id="b"),
        )
    async for message in script(request, context):
        yield message


def results(calls: Any) -> list[Any]:
    return [
        {
            "role": "tool",
            "tool_call_id": one.id,
            "content": f"{json.loads(one.function.arguments)['city']}: 20",
        }
        for one in calls
    ]


async def test_tool_loop(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = asks_for_two_cities
    messages: list[Any] = [USER]
    while True:
        answer = await aclient.chat.completions.create(
            model="tiny", messages=messages, tools=[WEATHER]
        )
        message = answer.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            break
        assert answer.choices[0].finish_reason == "tool_calls"
        assert message.content is None
        messages += results(message.tool_calls)
    assert message.content == "Rome: 20 and Bonn: 20"
    made = worker.requests[1].messages[1]
    assert [one.id for one in made.tool_calls] == ["r", "b"]
    assert [one.tool_call_id for one in worker.requests[1].messages[2:]] == ["r", "b"]


async def test_streamed_tool_loop(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = asks_for_two_cities
    messages: list[Any] = [USER]
    seen = []
    for _ in range(2):
        async with aclient.chat.completions.stream(
            model="tiny", messages=messages, tools=[WEATHER]
        ) as stream:
            seen += [
                (event.name, event.parsed_arguments)
                async for event in stream
                if event.type == "tool_calls.function.arguments.done"
            ]
            final = await stream.get_final_completion()
        message = final.choices[0].message
        messages.append(message)
        messages += results(message.tool_calls or ())
    assert seen == [("weather", {"city": "Rome"}), ("weather", {"city": "Bonn"})]
    assert message.content == "Rome: 20 and Bonn: 20"


async def test_sync_stream_of_calls(base_url: str, worker: ScriptedWorker) -> None:
    worker.script = asks_for_two_cities

    def read() -> dict[int, str]:
        arguments: dict[int, str] = {}
        with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            stream = client.chat.completions.create(
                model="tiny", messages=[USER], tools=[WEATHER], stream=True
            )
            for chunk in stream:
                for piece in chunk.choices[0].delta.tool_calls or ():
                    assert piece.function is not None
                    arguments.setdefault(piece.index, "")
                    arguments[piece.index] += piece.function.arguments or ""
        return arguments

    arguments = await asyncio.to_thread(read)
    assert arguments == {0: '{"city": "Rome"}', 1: '{"city": "Bonn"}'}


# The library's own: it writes the message back with what it parsed.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_parse_a_format(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = plays(says('{"city": "Ro'), says('me", "unit": "F"}'))
    answer = await aclient.chat.completions.parse(
        model="tiny", messages=[USER], response_format=Weather
    )
    assert answer.choices[0].message.parsed == Weather(city="Rome", unit="F")
    schema = json.loads(worker.requests[0].structured_output.json_schema)
    assert schema["properties"]["unit"]["enum"] == ["C", "F"]
    history: Any = [USER, answer.choices[0].message, USER]
    await aclient.chat.completions.create(model="tiny", messages=history)
    assert worker.requests[1].messages[1].content[0].text == '{"city": "Rome", "unit": "F"}'


async def test_parse_a_streamed_format(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = plays(says('{"city": "Ro', "Rome it is"), says('me"}'))
    async with aclient.chat.completions.stream(
        model="tiny", messages=[USER], response_format=Weather
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.parsed == Weather(city="Rome")


async def test_parse_a_tool(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    worker.script = plays(*call("Weather", '{"city": "Rome", "unit": "C"}'))
    answer = await aclient.chat.completions.parse(
        model="tiny",
        messages=[USER],
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice={"type": "function", "function": {"name": "Weather"}},
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.parsed_arguments == Weather(city="Rome")
    answered = {"role": "tool", "tool_call_id": calls[0].id, "content": "20"}
    history: Any = [USER, answer.choices[0].message, answered]
    worker.script = plays(says("Mild."))
    await aclient.chat.completions.create(model="tiny", messages=history)
    history[1] = answer.choices[0].message.model_dump()
    await aclient.chat.completions.create(model="tiny", messages=history)
    assert worker.requests[1].messages[1].tool_calls[0].name == "Weather"
    assert worker.requests[2].messages == worker.requests[1].messages


async def test_a_format_the_worker_refuses(
    aclient: openai.AsyncOpenAI, worker: ScriptedWorker
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await aclient.chat.completions.create(
            model="tiny",
            messages=[USER],
            response_format={"type": "json_schema", "json_schema": {"name": "no schema"}},
        )
    assert caught.value.param == "response_format.json_schema.name"


async def test_reasoning_is_an_extra_of_the_message(
    aclient: openai.AsyncOpenAI, worker: ScriptedWorker
) -> None:
    worker.script = plays(says("", "2 + 2"), says("4"))
    answer = await aclient.chat.completions.create(
        model="tiny", messages=[USER], reasoning_effort="low"
    )
    message: Any = answer.choices[0].message
    assert (message.reasoning_content, message.content) == ("2 + 2", "4")
    history: Any = [USER, message, USER]
    await aclient.chat.completions.create(model="tiny", messages=history)
    assert worker.requests[1].messages[1].reasoning == "2 + 2"
