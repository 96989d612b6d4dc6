"""Tools and errors as the anthropic package sees them, against the real processes."""

from __future__ import annotations

import anthropic
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
ASKED = {
    "model": MODEL,
    "max_tokens": 64,
    "extra_body": {"temperature": 0},
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
TOOL = {
    "name": "temperature_in",
    "description": "The temperature in a city now.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def client(up):
    with anthropic.Anthropic(base_url=up.api, api_key="none", max_retries=0) as made:
        yield made


def test_a_loop_of_tool_calls(client):
    messages = [{"role": "user", "content": "How warm is it in Paris?"}]
    first = client.messages.create(
        **ASKED | {"messages": messages, "max_tokens": 200},
        tools=[TOOL],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert isinstance(call.input["city"], str)
    messages += [
        {"role": "assistant", "content": first.content},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}],
        },
    ]
    second = client.messages.create(**ASKED | {"messages": messages}, tools=[TOOL])
    assert second.content


async def test_the_async_client_streams_a_call(up):
    async with (
        anthropic.AsyncAnthropic(base_url=up.api, api_key="none", max_retries=0) as client,
        client.messages.stream(
            **ASKED | {"max_tokens": 200},
            tools=[TOOL],
            tool_choice={"type": "tool", "name": "temperature_in"},
        ) as stream,
    ):
        final = await stream.get_final_message()
    assert final.stop_reason == "tool_use"
    assert isinstance(final.content[-1].input["city"], str)


def test_errors_are_of_the_classes_that_the_package_has_for_them(client):
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**ASKED | {"model": "nobody"})
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(**ASKED | {"extra_body": {"temperature": 3}})
