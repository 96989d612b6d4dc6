"""POST /v1/messages: Anthropic's official client against the gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from aiohttp.test_utils import TestClient
from anthropic_harness import USER, WEATHER, answers, blocks
from gateway_harness import ScriptedWorker
from pydantic import BaseModel

from rostra.v1 import chat_pb2, tokens_pb2


async def test_a_message(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    answer = await anthropic_client.messages.create(
        model="tiny-latest", max_tokens=9, messages=[USER]
    )
    assert [(block.type, block.text) for block in answer.content] == [("text", "Hello world")]
    assert (answer.model, answer.role, answer.type) == ("tiny", "assistant", "message")
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.id.startswith("msg_")
    assert worker.requests[0].request_id == answer.id
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (2, 1)
    assert answer.usage.output_tokens == 2
    assert answer._request_id is not None


async def test_every_setting_reaches_the_worker(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    await anthropic_client.messages.create(
        model="tiny",
        max_tokens=9,
        messages=[USER],
        system=[
            {"type": "text", "text": "Be ", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "brief."},
        ],
        stop_sequences=["end", "stop"],
        metadata={"user_id": "me"},
        service_tier="auto",
        thinking={"type": "disabled"},
        output_config={
            "effort": "low",
            "format": {"type": "json_schema", "schema": {"type": "object"}},
        },
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 7},
        extra_headers={"anthropic-beta": "something-2026-01-01"},
    )
    [request] = worker.requests
    sampling = request.sampling
    assert (sampling.max_tokens, list(sampling.stop), sampling.top_k) == (9, ["end", "stop"], 7)
    assert sampling.temperature == pytest.approx(0.5)
    assert sampling.top_p == pytest.approx(0.9)
    assert [part.text for part in request.messages[0].content] == ["Be ", "brief."]
    assert [message.role for message in request.messages] == [
        chat_pb2.ROLE_SYSTEM,
        chat_pb2.ROLE_USER,
    ]
    assert dict(request.template_variables) == {
        "enable_thinking": "false",
        "reasoning_effort": '"low"',
    }
    assert request.structured_output.json_schema == '{"type":"object"}'
    assert not request.HasField("continue_final_message")


async def test_what_is_unset_stays_unset(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    await anthropic_client.messages.create(
        model="tiny", max_tokens=9, messages=[USER], thinking={"type": "adaptive"}
    )
    [request] = worker.requests
    assert [field.name for field, _ in request.sampling.ListFields()] == ["max_tokens"]
    assert [field.name for field, _ in request.ListFields()] == [
        "model",
        "messages",
        "sampling",
        "request_id",
    ]


async def test_a_prefill_is_continued(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    prefill: Any = {"role": "assistant", "content": "The answer is ("}
    await anthropic_client.messages.create(model="tiny", max_tokens=9, messages=[USER, prefill])
    empty: Any = {"role": "assistant", "content": ""}
    await anthropic_client.messages.create(model="tiny", max_tokens=9, messages=[USER, empty])
    with_prefill, without = worker.requests
    assert with_prefill.continue_final_message
    assert with_prefill.messages[1].content[0].text == "The answer is ("
    assert not without.HasField("continue_final_message")
    assert len(without.messages) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_blocks_of_every_kind(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker, stream: bool
) -> None:
    worker.script = answers(
        blocks(thinking="Hm.", text="I look.", calls=[("weather", '{"city":', ' "Rome"}')]),
        tokens_pb2.FINISH_REASON_TOOL_CALLS,
    )
    settings: Any = {"model": "tiny", "max_tokens": 9, "messages": [USER], "tools": [WEATHER]}
    if stream:
        async with anthropic_client.messages.stream(**settings) as events:
            answer: Any = await events.get_final_message()
    else:
        answer = await anthropic_client.messages.create(**settings)
    assert [block.type for block in answer.content] == ["thinking", "text", "tool_use"]
    thinking, text, call = answer.content
    assert (thinking.thinking, text.text) == ("Hm.", "I look.")
    assert (call.id, call.name, call.input) == ("call_0", "weather", {"city": "Rome"})
    assert answer.stop_reason == "tool_use"
    assert answer.usage.output_tokens_details.thinking_tokens == 1


async def test_omitted_thinking_leaves_an_empty_block(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    worker.script = answers(blocks(thinking="Hm.", text="Yes."))
    answer = await anthropic_client.messages.create(
        model="tiny",
        max_tokens=9,
        messages=[USER],
        thinking={"type": "adaptive", "display": "omitted"},
    )
    thinking, text = answer.content
    assert (thinking.type, thinking.thinking) == ("thinking", "")
    assert text.text == "Yes."


class City(BaseModel):
    name: str


async def test_parse_with_a_model(
    anthropic_client: anthropic.AsyncAnthropic, worker: ScriptedWorker
) -> None:
    worker.script = answers(blocks(text='{"name": "Rome"}'))
    answer = await anthropic_client.messages.parse(
        model="tiny", max_tokens=9, messages=[USER], output_format=City
    )
    assert answer.parsed_output == City(name="Rome")
    assert '"name"' in worker.requests[0].structured_output.json_schema


@pytest.mark.parametrize(
    ("finish", "reason", "sequence"),
    [
        (tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_STOP), "end_turn", None),
        (
            tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_STOP, stop_token_id=2),
            "end_turn",
            None,
        ),
        (
            tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_STOP, stop_string="END"),
            "stop_sequence",
            "END",
        ),
        (tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_LENGTH), "max_tokens", None),
    ],
)
async def test_why_it_stopped(
    anthropic_client: anthropic.AsyncAnthropic,
    worker: ScriptedWorker,
    finish: tokens_pb2.Finish,
    reason: str,
    sequence: str | None,
) -> None:
    worker.script = answers(blocks(text="a"), finish)
    settings: Any = {"model": "tiny", "max_tokens": 9, "messages": [USER]}
    whole = await anthropic_client.messages.create(**settings)
    async with anthropic_client.messages.stream(**settings) as stream:
        streamed = await stream.get_final_message()
    for answer in (whole, streamed):
        assert (answer.stop_reason, answer.stop_sequence) == (reason, sequence)


async def test_the_synchronous_client(client: TestClient) -> None:
    def calls() -> tuple[Any, str]:
        base_url = str(client.make_url("/"))
        with anthropic.Anthropic(base_url=base_url, api_key="none", max_retries=0) as official:
            whole = official.messages.create(model="tiny", max_tokens=9, messages=[USER])
            with official.messages.stream(model="tiny", max_tokens=9, messages=[USER]) as stream:
                text = "".join(stream.text_stream)
        return whole, text

    whole, text = await asyncio.to_thread(calls)
    assert whole.content[0].text == text == "Hello world"
