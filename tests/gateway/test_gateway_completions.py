"""/v1/completions: shapes, several prompts, echo, log-probabilities."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, finish, gateway_before, token, usage
from test_gateway_chat import events, whole

from rostra.gateway.keys import FLEET
from rostra.v1 import inference_pb2

ONCE = {"model": "tiny", "prompt": "Once upon"}
PATH = "completions"


async def test_whole_answer(client: TestClient, worker: ScriptedWorker) -> None:
    answer = await whole(client, ONCE, PATH)
    assert answer["id"].startswith("cmpl-")
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {"index": 0, "text": "Hello world", "logprobs": None, "finish_reason": "stop"}
    ]
    assert answer["usage"]["total_tokens"] == 5
    assert worker.requests[0].text == "Once upon"
    assert worker.requests[0].sampling.max_tokens == 16


async def test_streamed_answer(client: TestClient) -> None:
    chunks = await events(client, {**ONCE, "stream_options": {"include_usage": True}}, PATH)
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert [c["choices"][0]["text"] for c in chunks[:-1]] == ["Hello", " world", ""]
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None, None, "stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("prompt", "texts", "ids"),
    [
        ("a", ["a"], []),
        (["a", "b"], ["a", "b"], []),
        ([1, 2], [], [[1, 2]]),
        ([[1, 2], [3]], [], [[1, 2], [3]]),
    ],
)
async def test_forms_of_prompts(
    client: TestClient, worker: ScriptedWorker, prompt: Any, texts: list, ids: list
) -> None:
    answer = await whole(client, {**ONCE, "prompt": prompt, "n": 2}, PATH)
    count = len(texts) + len(ids)
    assert [c["index"] for c in answer["choices"]] == list(range(2 * count))
    assert sorted(r.text for r in worker.requests if r.text) == texts
    assert sorted(list(r.tokens.ids) for r in worker.requests if r.HasField("tokens")) == ids
    assert answer["usage"]["prompt_tokens"] == 3 * count
    assert answer["usage"]["completion_tokens"] == 4 * count
    assert len({r.request_id for r in worker.requests}) == count


async def test_outputs_of_several_prompts_keep_their_places(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def script(request: Any, context: Any) -> Any:
        for index in range(2):
            text = f"{request.text}{index}"
            delta = inference_pb2.GenerateDelta(text=text, tokens=[token(text)])
            yield inference_pb2.GenerateResponse(index=index, delta=delta)
        yield inference_pb2.GenerateResponse(index=0, finish=finish())
        yield inference_pb2.GenerateResponse(index=1, finish=finish(), usage=usage())

    worker.script = script
    body = {**ONCE, "prompt": ["p", "q", "r"], "n": 2}
    answer = await whole(client, body, PATH)
    assert [c["text"] for c in answer["choices"]] == ["p0", "p1", "q0", "q1", "r0", "r1"]
    chunks = await events(client, body, PATH)
    texts = [""] * 6
    for chunk in chunks:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == ["p0", "p1", "q0", "q1", "r0", "r1"]


async def test_echo_with_logprobs(client: TestClient, worker: ScriptedWorker) -> None:
    body = {**ONCE, "echo": True, "logprobs": 2}
    choice = (await whole(client, body, PATH))["choices"][0]
    assert choice["text"] == "Once uponHello world"
    logprobs = choice["logprobs"]
    assert logprobs["tokens"] == ["Once", " upon", "Hello", " world"]
    assert logprobs["token_logprobs"] == [None, -0.5, -0.5, -0.5]
    assert logprobs["text_offset"] == [0, 4, 9, 14]
    assert logprobs["top_logprobs"] == [
        None,
        {" upon": -0.5},
        {"Hello": -0.5, "other": -1.5},
        {" world": -0.5, "other": -1.5},
    ]
    assert worker.requests[0].sampling.prompt_logprobs == 2
    chunks = await events(client, body, PATH)
    assert "".join(c["choices"][0]["text"] for c in chunks) == choice["text"]


async def test_echo_of_token_ids(client: TestClient) -> None:
    answer = await whole(client, {**ONCE, "prompt": [7, 8], "echo": True}, PATH)
    assert answer["choices"][0]["text"] == "<7><8>Hello world"


class NeverDetokenizes(ScriptedWorker):
    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def Detokenize(self, request: Any, context: Any) -> Any:
        self.asked.set()
        await asyncio.sleep(60)


async def test_a_worker_that_is_let_go_while_it_reads_the_prompt() -> None:
    body = {**ONCE, "prompt": [7], "echo": True}
    async with NeverDetokenizes() as worker, gateway_before([worker.address]) as client:
        answering = asyncio.create_task(client.post("/v1/completions", json=body))
        await asyncio.wait_for(worker.asked.wait(), 10)
        assert client.app is not None
        for link in client.app[FLEET]:
            await link.close(0)
        response = await asyncio.wait_for(answering, 10)
        assert response.status == 503


async def test_tokens_that_are_no_text(client: TestClient, worker: ScriptedWorker) -> None:
    async def script(request: Any, context: Any) -> Any:
        halves = [token("\ufffd"), token("\ufffd"), token("!")]
        halves[0].raw, halves[1].raw = "é".encode()[:1], "é".encode()[1:]
        delta = inference_pb2.GenerateDelta(text="é!", tokens=halves)
        yield inference_pb2.GenerateResponse(delta=delta, finish=finish(), usage=usage())

    worker.script = script
    answer = await whole(client, {**ONCE, "logprobs": 0}, PATH)
    logprobs = answer["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["bytes:\\xc3", "bytes:\\xa9", "!"]
    assert logprobs["text_offset"] == [0, 0, 1]
    assert logprobs["top_logprobs"] == [None, None, None]


async def test_best_of_may_equal_n(client: TestClient) -> None:
    answer = await whole(client, {**ONCE, "n": 2, "best_of": 2, "suffix": ""}, PATH)
    assert len(answer["choices"]) == 2
