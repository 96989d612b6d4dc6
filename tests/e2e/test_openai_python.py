"""The openai package for Python, unmodified, against the real processes."""

from __future__ import annotations

import json
from typing import Literal

import openai
import pytest
from pydantic import BaseModel, ConfigDict, Field

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "temperature_in",
        "description": "The temperature in a city now.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 30}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class City(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=20)
    country: Literal["France", "Italy", "Japan"]
    inhabitants: int = Field(ge=0, le=100_000_000)


@pytest.fixture(scope="module")
def client(up):
    with openai.OpenAI(base_url=f"{up.api}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_parse_gives_the_model_that_was_asked_for(client, temperature):
    for seed in range(3):
        completion = client.chat.completions.parse(
            model=MODEL,
            messages=QUESTION,
            temperature=temperature,
            seed=seed,
            response_format=City,
        )
        message = completion.choices[0].message
        assert isinstance(message.parsed, City)
        assert City.model_validate_json(message.content) == message.parsed


def test_the_streaming_helper_parses_too(client):
    with client.chat.completions.stream(
        model=MODEL, messages=QUESTION, temperature=0, response_format=City
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content
    assert isinstance(final.choices[0].message.parsed, City)


def test_a_loop_of_tool_calls(client):
    messages = [{"role": "user", "content": "How warm is it in Paris?"}]
    first = client.chat.completions.create(
        model=MODEL,
        messages=messages,
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    )
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls
    assert call.function.name == "temperature_in"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    messages += [
        first.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    second = client.chat.completions.create(
        model=MODEL,
        messages=messages,
        tools=[TOOL],
        tool_choice="none",
        temperature=0,
        max_completion_tokens=48,
    )
    assert second.choices[0].message.content
    assert second.choices[0].message.tool_calls is None


def test_streamed_calls_join_to_the_whole_one(client):
    asked = {
        "model": MODEL,
        "messages": QUESTION,
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "temperature_in"}},
        "temperature": 1,
        "seed": 5,
    }
    whole = client.chat.completions.create(**asked).choices[0].message.tool_calls[0].function
    with client.chat.completions.stream(**asked) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert final.message.tool_calls[0].function.name == whole.name
    assert final.message.tool_calls[0].function.arguments == whole.arguments


def test_json_object_is_one(client):
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe Paris as JSON."}],
        temperature=1,
        seed=3,
        max_completion_tokens=400,
        response_format={"type": "json_object"},
    )
    choice = answer.choices[0]
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict)
    else:
        assert choice.finish_reason == "length"


async def test_the_async_client_answers_and_streams(up):
    async with openai.AsyncOpenAI(base_url=f"{up.api}/v1", api_key="none", max_retries=0) as client:
        asked = {"model": MODEL, "messages": QUESTION, "temperature": 0}
        whole = await client.chat.completions.create(**asked)
        text = ""
        async for chunk in await client.chat.completions.create(**asked, stream=True):
            text += chunk.choices[0].delta.content or ""
        assert text == whole.choices[0].message.content
        response = await client.responses.create(
            model=MODEL, input="What is the capital of France?", temperature=0
        )
        assert "Paris" in response.output_text


def test_responses_with_tools_and_a_schema(client):
    function = {"type": "function"} | TOOL["function"]
    first = client.responses.create(
        model=MODEL,
        input="How warm is it in Paris?",
        tools=[function],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    )
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert isinstance(json.loads(call.arguments)["city"], str)
    second = client.responses.create(
        model=MODEL,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}],
        tools=[function],
        tool_choice="none",
        temperature=0,
        max_output_tokens=48,
    )
    assert second.output_text
    parsed = client.responses.parse(
        model=MODEL, input="Describe Paris.", text_format=City, temperature=1
    )
    assert isinstance(parsed.output_parsed, City)


def test_errors_are_of_the_classes_that_the_package_has_for_them(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=QUESTION)
    assert missing.value.code == "model_not_found"
    assert missing.value.request_id
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(
            model=MODEL,
            messages=QUESTION,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "bad", "schema": {"type": "nothing"}},
            },
        )
    assert wrong.value.param is not None
    assert wrong.value.param.startswith("response_format")
