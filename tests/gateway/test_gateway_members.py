"""A second gateway with its own worker as a member: the same answers as from a worker of one's own,
through the official clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, call, eventually, plays, says
from members_harness import CHAT, EXTRAS, HELLO, events_of, gateway_behind, gateway_with, member

from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

USER: Any = {"role": "user", "content": "hi"}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
async def client(worker: ScriptedWorker) -> AsyncIterator[TestClient]:
    async with (
        gateway_behind(worker) as url,
        gateway_with(member(url, extra_fields=EXTRAS)) as client,
    ):
        yield client


@pytest.fixture
async def official(client: TestClient) -> AsyncIterator[openai.AsyncOpenAI]:
    url = str(client.make_url("/v1"))
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as official:
        yield official


async def test_chat(official: openai.AsyncOpenAI) -> None:
    answer = await official.chat.completions.create(
        model="far", messages=[USER], n=2, logprobs=True, top_logprobs=2
    )
    assert answer.model == "far"
    assert [choice.message.content for choice in answer.choices] == ["Hello world"] * 2
    logprobs = answer.choices[1].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [token.token for token in logprobs.content] == ["Hello", " world"]
    assert logprobs.content[0].bytes == list(b"Hello")
    assert logprobs.content[0].top_logprobs[1].logprob == -1.5
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 4)
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 1


@pytest.mark.parametrize("usage", [False, True])
async def test_a_streamed_chat(official: openai.AsyncOpenAI, usage: bool) -> None:
    stream = await official.chat.completions.create(
        model="far", messages=[USER], n=2, stream=True, stream_options={"include_usage": usage}
    )
    chunks = [chunk async for chunk in stream]
    said = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == {0: "Hello world", 1: "Hello world"}
    assert len({chunk.id for chunk in chunks}) == 1
    last = chunks[-1].usage
    assert (last.completion_tokens if last else None) == (4 if usage else None)


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_and_reasoning(
    official: openai.AsyncOpenAI, worker: ScriptedWorker, stream: bool
) -> None:
    worker.model.tool_parser = "hermes"
    worker.script = plays(
        chat_pb2.ChatDelta(reasoning="Hm."),
        *call("weather", '{"city": "Rome"}', index=0, call_id="call_a"),
        *call("weather", '{"city": "Oslo"}', index=1, call_id="call_b"),
    )
    async with official.chat.completions.stream(
        model="far", messages=[USER], tools=[WEATHER]
    ) as streamed:
        final = await streamed.get_final_completion() if stream else None
    if final is None:
        final = await official.chat.completions.create(  # type: ignore[assignment]
            model="far", messages=[USER], tools=[WEATHER]
        )
    assert final is not None
    message: Any = final.choices[0].message
    assert final.choices[0].finish_reason == "tool_calls"
    assert message.reasoning_content == "Hm."
    assert [(one.id, one.function.name, one.function.arguments) for one in message.tool_calls] == [
        ("call_a", "weather", '{"city": "Rome"}'),
        ("call_b", "weather", '{"city": "Oslo"}'),
    ]


async def test_a_conversation_arrives_as_it_was_sent(
    client: TestClient, worker: ScriptedWorker
) -> None:
    """Every field, through both gateways: what the far worker is asked is what a near one is."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
        {"role": "user", "name": "ann", "content": "and?"},
    ]
    body = {
        "messages": messages,
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.05,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "repetition_penalty": 1.1,
        "logit_bias": {"7": -1.5},
        "seed": -3,
        "stop": ["END"],
        "stop_token_ids": [2],
        "ignore_eos": True,
        "min_tokens": 1,
        "max_tokens": 9,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "response_format": {"type": "json_object"},
        "chat_template_kwargs": {"x": [1, None]},
        "reasoning_effort": "low",
        "continue_final_message": False,
        "cache_salt": "salt",
        "priority": -2,
    }
    worker.script = says(["{}"])
    async with gateway_with(workers=(worker.address,)) as near:
        direct = await near.post(CHAT, json={**HELLO, **body, "model": "tiny"})
        assert direct.status == 200, await direct.text()
    far = await client.post(CHAT, json={**HELLO, **body})
    assert far.status == 200, await far.text()
    expected, seen = worker.requests
    # The second gateway names its own request; "false" is what happens without the field.
    expected.ClearField("continue_final_message")
    for request in (expected, seen):
        request.ClearField("request_id")
    assert seen.messages[1].content[0].text == "ab"
    for request in (expected, seen):
        del request.messages[1].content[:]
    assert seen == expected


@pytest.mark.parametrize("prompt", [["Once", "upon"], [[1, 2], [3]]])
@pytest.mark.parametrize("stream", [False, True])
async def test_completions(official: openai.AsyncOpenAI, stream: bool, prompt: Any) -> None:
    answer: Any = await official.completions.create(
        model="far", prompt=prompt, logprobs=2, stream=stream, max_tokens=5
    )
    if stream:
        texts, tokens = ["", ""], []
        async for chunk in answer:
            for choice in chunk.choices:
                texts[choice.index] += choice.text
                if choice.logprobs and choice.index == 0:
                    tokens += choice.logprobs.tokens
    else:
        texts = [choice.text for choice in answer.choices]
        tokens = answer.choices[0].logprobs.tokens
        assert answer.choices[0].logprobs.top_logprobs[0] == {"Hello": -0.5, "other": -1.5}
    assert texts == ["Hello world"] * 2
    assert tokens == ["Hello", " world"]


async def test_the_best_of_several(official: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    answer = await official.completions.create(model="far", prompt="Once", best_of=3, echo=True)
    assert [choice.text for choice in answer.choices] == ["OnceHello world"]
    assert worker.requests[0].sampling.n == 3


async def test_embeddings_and_what_is_made_of_them(worker: ScriptedWorker) -> None:
    async def embeds(request: Any, context: Any) -> AsyncIterator[Any]:
        values = [[3.0, 4.0], [4.0, 3.0]]
        yield inference_pb2.EmbedResponse(
            embeddings=[
                inference_pb2.Embedding(values=values[number % 2])
                for number in range(len(request.inputs))
            ],
            usage=tokens_pb2.Usage(prompt_tokens=6),
        )

    worker.script = embeds
    worker.model.embedding_size = 2
    models = {"far": {"name": "tiny", "embedding_size": 2}}
    async with gateway_behind(worker) as url, gateway_with(member(url, models=models)) as client:
        asked = {"model": "far", "input": [[1], [1, 2]], "encoding_format": "float"}
        answer = await (await client.post("/v1/embeddings", json=asked)).json()
        # Of unit length, as the mesh's own are.
        assert answer["data"][0]["embedding"] == pytest.approx([0.6, 0.8])
        assert answer["usage"]["prompt_tokens"] == 6
        compared = {"model": "far", "text_1": "a", "text_2": "b"}
        score = await (await client.post("/v1/score", json=compared)).json()
        assert score["data"][0]["score"] == pytest.approx(0.96)
        refused = await client.post(CHAT, json=HELLO)
        assert refused.status == 400
        assert (await refused.json())["error"]["code"] == "unsupported_operation"


async def test_responses_and_messages(client: TestClient, official: openai.AsyncOpenAI) -> None:
    response = await official.responses.create(model="far", input="hi")
    assert response.output_text == "Hello world"
    assert response.usage is not None
    assert response.usage.input_tokens == 3
    follow_up = await official.responses.create(
        model="far", input="and?", previous_response_id=response.id
    )
    assert follow_up.output_text == "Hello world"
    url = str(client.make_url("/"))
    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as claude:
        asked: Any = {"model": "far", "max_tokens": 9, "messages": [USER]}
        message = await claude.messages.create(**asked)
        assert message.content[0].text == "Hello world"  # type: ignore[union-attr]
        async with claude.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
        assert streamed.content[0].text == "Hello world"  # type: ignore[union-attr]
        assert streamed.usage.output_tokens == message.usage.output_tokens == 2


async def test_what_is_listed(client: TestClient, worker: ScriptedWorker) -> None:
    (listed,) = (await (await client.get("/v1/models")).json())["data"]
    assert (listed["id"], listed["owned_by"]) == ("far", "other")
    # As the other gateway lists it.
    assert listed["max_model_len"] == 128
    assert listed["revision"] == worker.model.revision
    assert listed["input_modalities"] == ["text"]
    ready = await (await client.get("/ready")).json()
    assert ready["workers"] == {"other": "serving"}


async def test_a_client_that_goes_ends_the_request_over_there(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = says(["word"] * 10_000, pause=0.01)
    response = await client.post(CHAT, json={**HELLO, "stream": True})
    await response.content.readany()
    assert worker.running == 1
    response.close()
    await eventually(lambda: worker.running == 0)


async def test_a_client_that_goes_before_the_answer_ends_it_too(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = says(["word"] * 10_000, pause=0.01)
    waiting = asyncio.create_task(client.post(CHAT, json=HELLO))
    await eventually(lambda: worker.running == 1)
    waiting.cancel()
    await eventually(lambda: worker.running == 0)


@pytest.mark.parametrize("pass_ids", [False, True])
async def test_ids_and_traces_travel_on_where_they_may(
    worker: ScriptedWorker, pass_ids: bool
) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    headers = {"x-request-id": "mine", "traceparent": trace}
    async with (
        gateway_behind(worker) as url,
        gateway_with(member(url, pass_ids=pass_ids)) as client,
    ):
        await client.post(CHAT, json=HELLO, headers=headers)
    seen = worker.metadata[0]
    assert (seen["x-request-id"] == "mine") == pass_ids
    assert seen.get("traceparent") == (trace if pass_ids else None)


async def test_a_slow_reader_gets_it_all(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = says([f"{number} " for number in range(2000)])
    events = await events_of(client)
    said = "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
    assert said.split() == [str(number) for number in range(2000)]
