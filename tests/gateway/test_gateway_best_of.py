"""/v1/completions: the best of several outputs, and a prompt alone."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, finish, says, token, usage
from lm_eval.models.openai_completions import LocalCompletionsAPI
from test_gateway_chat import events, whole

from rostra.v1 import inference_pb2, tokens_pb2

ONCE = {"model": "tiny", "prompt": "Once upon"}
PATH = "completions"

CANDIDATES = [[-0.1, -0.9], [-0.3], [], [-0.2, -0.2, -0.2], [float("-inf"), -0.0]]
"""Means: -0.5, -0.3, none, -0.2, and minus infinity as JSON has it."""


async def several(request: Any, context: Any) -> Any:
    """Output i says "i" once for each of its tokens."""
    outputs = request.sampling.n or 1
    for index, logprobs in enumerate(CANDIDATES[:outputs]):
        text = f"{request.text}{index}"
        for logprob in logprobs:
            tokens = [token(text, logprob)]
            delta = inference_pb2.GenerateDelta(text=text, tokens=tokens)
            yield inference_pb2.GenerateResponse(index=index, delta=delta)
        last = index == outputs - 1
        yield inference_pb2.GenerateResponse(
            index=index, finish=finish(), usage=usage(3, outputs) if last else None
        )


@pytest.mark.parametrize(
    ("best_of", "n", "texts"),
    [
        (5, 1, ["333"]),
        (5, 4, ["333", "1", "00", "44"]),
        (3, 2, ["1", "00"]),
        (2, None, ["1"]),
        (2, 2, ["00", "1"]),
    ],
)
async def test_the_best_have_the_likeliest_tokens(
    client: TestClient, worker: ScriptedWorker, best_of: int, n: int | None, texts: list[str]
) -> None:
    worker.script = several
    body = {**ONCE, "prompt": ["p", "q"], "best_of": best_of, "n": n}
    answer = await whole(client, body, PATH)
    found = [choice["text"] for choice in answer["choices"]]
    expected = ["".join(f"{prompt}{digit}" for digit in text) for prompt in "pq" for text in texts]
    assert found == expected
    assert [choice["index"] for choice in answer["choices"]] == list(range(len(expected)))
    assert {choice["logprobs"] for choice in answer["choices"]} == {None}
    assert answer["usage"]["completion_tokens"] == 2 * best_of
    assert worker.requests[0].sampling.n == best_of
    assert worker.requests[0].sampling.HasField("logprobs") == (best_of > (n or 1))


async def test_the_best_with_its_log_probabilities(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = several
    body = {**ONCE, "prompt": "p", "best_of": 4, "logprobs": 0}
    choice = (await whole(client, body, PATH))["choices"][0]
    assert choice["logprobs"]["token_logprobs"] == pytest.approx([-0.2] * 3)


async def test_a_worker_that_leaves_out_what_the_order_needs(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def script(request: Any, context: Any) -> Any:
        unknown = tokens_pb2.TokenInfo(id=1, text="x", raw=b"x")
        delta = inference_pb2.GenerateDelta(text="x", tokens=[unknown])
        yield inference_pb2.GenerateResponse(delta=delta, finish=finish(), usage=usage())

    worker.script = script
    response = await client.post("/v1/completions", json={**ONCE, "best_of": 2})
    assert response.status == 502


@pytest.mark.parametrize("prompt", ["Once upon", [7, 8]])
async def test_a_prompt_alone(client: TestClient, worker: ScriptedWorker, prompt: Any) -> None:
    worker.script = says(["!"])
    body = {**ONCE, "prompt": prompt, "echo": True, "max_tokens": 0, "logprobs": 1, "n": 2}
    answer = await whole(client, body, PATH)
    assert worker.requests[0].sampling.max_tokens == 1
    for choice in answer["choices"]:
        assert choice["text"] == ("Once upon" if isinstance(prompt, str) else "<7><8>")
        assert choice["logprobs"] == {
            "tokens": ["Once", " upon"],
            "token_logprobs": [None, -0.5],
            "top_logprobs": [None, {" upon": -0.5}],
            "text_offset": [0, 4],
        }
        assert choice["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 0
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] == 3
    chunks = await events(client, {**body, "stream_options": {"include_usage": True}}, PATH)
    texts = [chunk["choices"][0]["text"] for chunk in chunks[:-1]]
    assert sorted(texts) == ["", "", *[answer["choices"][0]["text"]] * 2]
    assert chunks[-1]["usage"]["completion_tokens"] == 0


async def test_lm_eval_reads_what_it_asks_for(client: TestClient, worker: ScriptedWorker) -> None:
    """The tool's own request for two prompts, and its own reading of the answer."""
    worker.script = says(["!"])
    lm = LocalCompletionsAPI(
        base_url="http://unused", model="tiny", tokenizer_backend=None, tokenized_requests=False
    )
    body = lm._create_payload([[1, 2], [3, 4]], generate=False, seed=7)
    assert {"echo", "logprobs", "max_tokens"} <= set(body)
    answer = await whole(client, body, PATH)
    read = lm.parse_logprobs(answer, tokens=[[1, 2], [3, 4]], ctxlens=[1, 1])
    assert read == [(-0.5, True)] * 2
    body = lm._create_payload(["a", "b"], generate=True, gen_kwargs={"until": ["\n"]}, eos="</s>")
    answer = await whole(client, body, PATH)
    assert lm.parse_generations(answer) == ["!", "!"]
    assert list(worker.requests[-1].sampling.stop) == ["\n", "</s>"]
