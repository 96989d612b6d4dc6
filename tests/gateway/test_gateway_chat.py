"""/v1/chat/completions: shapes, streamed and not, and what reaches the worker."""

from __future__ import annotations

import time
from typing import Any

import orjson
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, finish, says, token, usage
from pydantic import BaseModel

from rostra.gateway.schemas.answers.chat import ChatCompletion, ChatCompletionChunk
from rostra.gateway.schemas.answers.completions import Completion, CompletionChunk
from rostra.v1 import chat_pb2, tokens_pb2

MODELS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "chat/completions": (ChatCompletion, ChatCompletionChunk),
    "completions": (Completion, CompletionChunk),
}
"""What the document of the API says of answers, whole and streamed."""
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


async def events(client: TestClient, body: dict[str, Any], path: str = "chat/completions") -> list:
    response = await client.post(f"/v1/{path}", json={**body, "stream": True})
    assert response.status == 200, await response.text()
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    lines = (await response.read()).split(b"\n\n")
    assert lines[-2:] == [b"data: [DONE]", b""]
    chunks = [orjson.loads(line.removeprefix(b"data: ")) for line in lines[:-2]]
    for chunk in chunks:
        MODELS[path][1].model_validate(chunk)
    return chunks


async def whole(client: TestClient, body: dict[str, Any], path: str = "chat/completions") -> Any:
    response = await client.post(f"/v1/{path}", json=body)
    assert response.status == 200, await response.text()
    answer = await response.json()
    MODELS[path][0].model_validate(answer)
    return answer


async def test_whole_answer(client: TestClient) -> None:
    answer = await whole(client, HELLO)
    assert answer["id"].startswith("chatcmpl-")
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "tiny"
    assert answer["system_fingerprint"] == "fp_abcdef012345"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello world",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"]["prompt_tokens"] == 3
    assert answer["usage"]["completion_tokens"] == 2
    assert answer["usage"]["total_tokens"] == 5
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 1


async def test_streamed_answer(client: TestClient) -> None:
    chunks = await events(client, HELLO)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hello"},
        {"content": " world"},
        {},
    ]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None, None, None, "stop"]


async def test_usage_comes_last_when_asked_for(client: TestClient) -> None:
    chunks = await events(client, {**HELLO, "stream_options": {"include_usage": True}})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 5


async def test_several_outputs(client: TestClient) -> None:
    chunks = await events(client, {**HELLO, "n": 3})
    for index in range(3):
        mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        assert mine[0]["delta"]["role"] == "assistant"
        assert "".join(c["delta"].get("content", "") for c in mine) == "Hello world"
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == ["stop"]
    answer = await whole(client, {**HELLO, "n": 3})
    assert [c["index"] for c in answer["choices"]] == [0, 1, 2]
    assert {c["message"]["content"] for c in answer["choices"]} == {"Hello world"}


async def test_logprobs(client: TestClient) -> None:
    body = {**HELLO, "logprobs": True, "top_logprobs": 2}
    answer = await whole(client, body)
    content = answer["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in content] == ["Hello", " world"]
    assert content[0]["bytes"] == list(b"Hello")
    assert content[0]["logprob"] == -0.5
    assert [top["token"] for top in content[0]["top_logprobs"]] == ["Hello", "other"]
    chunks = await events(client, body)
    streamed = [
        one for c in chunks for one in (c["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == content


async def test_a_finish_may_ride_with_the_last_delta(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def script(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(
            request_id="1",
            prompt_tokens=3,
            delta=chat_pb2.ChatDelta(content="all", reasoning="because"),
            finish=finish(tokens_pb2.FINISH_REASON_LENGTH),
            usage=usage(),
        )

    worker.script = script
    chunks = await events(client, HELLO)
    assert [c["choices"][0]["delta"] for c in chunks[1:]] == [
        {"reasoning_content": "because", "content": "all"},
        {},
    ]
    answer = await whole(client, HELLO)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["reasoning_content"] == "because"


async def test_minus_infinity_becomes_a_number(client: TestClient, worker: ScriptedWorker) -> None:
    async def script(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(
            delta=chat_pb2.ChatDelta(content="x", tokens=[token("x", float("-inf"))]),
            finish=finish(),
            usage=usage(),
        )

    worker.script = script
    answer = await whole(client, {**HELLO, "logprobs": True})
    assert answer["choices"][0]["logprobs"]["content"][0]["logprob"] == -9999.0


async def test_everything_reaches_the_worker(client: TestClient, worker: ScriptedWorker) -> None:
    body = {
        "model": "tiny-latest",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "developer", "content": [{"type": "text", "text": "d"}]},
            {"role": "user", "content": [{"type": "text", "text": t} for t in "ab"], "name": "u"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
                "refusal": None,
            },
            {"role": "tool", "content": "t", "tool_call_id": "c1"},
        ],
        "temperature": 0.5,
        "top_p": 0.75,
        "top_k": -1,
        "min_p": 0.25,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "repetition_penalty": 1.5,
        "logit_bias": {"7": -100},
        "seed": -1,
        "stop": "END",
        "stop_token_ids": [4, 5],
        "ignore_eos": True,
        "min_tokens": 2,
        "max_completion_tokens": 9,
        "n": 2,
        "logprobs": True,
        "cache_salt": "salt",
        "priority": -3,
        "add_generation_prompt": False,
        "continue_final_message": True,
        "chat_template_kwargs": {"think": False, "name": "x"},
        "user": "me",
        "metadata": {"k": "v"},
        "store": False,
        "service_tier": "auto",
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "tools": None,
        "reasoning_effort": None,
    }
    answer = await whole(client, body)
    assert answer["model"] == "tiny"
    request = worker.requests[0]
    sampling = request.sampling
    assert request.model == "tiny-latest"
    assert [message.role for message in request.messages] == [1, 2, 3, 4, 5]
    assert [part.text for part in request.messages[2].content] == ["a", "b"]
    assert request.messages[2].name == "u"
    assert request.messages[3].tool_calls[0].name == "f"
    assert request.messages[4].tool_call_id == "c1"
    assert (sampling.temperature, sampling.top_p, sampling.min_p) == (0.5, 0.75, 0.25)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1, -1)
    assert sampling.repetition_penalty == 1.5
    assert (sampling.top_k, sampling.seed) == (0, 2**64 - 1)
    assert dict(sampling.logit_bias) == {7: -100.0}
    assert (list(sampling.stop), list(sampling.stop_token_ids)) == (["END"], [4, 5])
    assert sampling.ignore_eos
    assert (sampling.min_tokens, sampling.max_tokens, sampling.n) == (2, 9, 2)
    assert sampling.HasField("logprobs")
    assert sampling.logprobs == 0
    assert (request.cache_salt, request.priority) == ("salt", -3)
    assert not request.add_generation_prompt
    assert request.continue_final_message
    assert dict(request.template_variables) == {"think": "false", "name": '"x"'}


async def test_unset_and_null_stay_unset(client: TestClient, worker: ScriptedWorker) -> None:
    optional = ("temperature", "seed", "max_tokens", "n", "logprobs", "top_k", "stop", "user")
    await whole(client, {**HELLO, **dict.fromkeys(optional)})
    request = worker.requests[0]
    assert [descriptor.name for descriptor, _ in request.sampling.ListFields()] == []
    assert not request.HasField("add_generation_prompt")


async def test_ids_and_trace_travel(client: TestClient, worker: ScriptedWorker) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-request-id": "mine", "traceparent": trace}
    response = await client.post("/v1/chat/completions", json=HELLO, headers=headers)
    assert response.headers["x-request-id"] == "mine"
    assert worker.metadata[0]["x-request-id"] == "mine"
    assert worker.metadata[0]["traceparent"] == trace
    answer = await response.json()
    assert worker.requests[0].request_id == answer["id"]
    made = await client.post("/v1/chat/completions", json=HELLO, headers={"x-request-id": "\xe9 "})
    assert made.headers["x-request-id"].startswith("req_")


async def test_the_time_taken_is_told(client: TestClient, worker: ScriptedWorker) -> None:
    before = time.monotonic()
    worker.script = says(["x"], pause=0.05)
    for stream in (False, True):
        body = {**HELLO, "stream": stream}
        response = await client.post("/v1/chat/completions", json=body)
        told = int(response.headers["openai-processing-ms"])
        # Up to the headers, which a stream sends with its first token.
        assert (0 if stream else 40) <= told <= (time.monotonic() - before) * 1000 + 1


async def test_the_deadline_travels(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = says(["x"])
    await whole(client, HELLO)
    remaining = worker.deadlines[0]
    assert remaining is not None
    # On the wire, gRPC rounds a deadline up to a tenth of a second.
    assert 0 < remaining <= 20.1
