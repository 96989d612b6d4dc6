"""POST /v1/embeddings: the official client, every form of input, mistakes, lost workers."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before, refuse
from grpc import StatusCode

from rostra.v1 import inference_pb2, tokens_pb2

EMBEDDINGS = "/v1/embeddings"


async def embeds(request: Any, context: Any) -> AsyncIterator[Any]:
    """Vectors of as many numbers as asked for, the first one the input's position."""
    length = request.dimensions or 4
    yield inference_pb2.EmbedResponse(
        embeddings=[
            inference_pb2.Embedding(values=[index, *([0.1] * (length - 1))])
            for index in range(len(request.inputs))
        ],
        usage=tokens_pb2.Usage(prompt_tokens=3 * len(request.inputs)),
    )


@pytest.fixture
async def worker() -> AsyncIterator[ScriptedWorker]:
    async with ScriptedWorker(embeds) as started:
        started.model.embedding_size = 4
        yield started


@pytest.fixture
async def aclient(client: TestClient) -> AsyncIterator[openai.AsyncOpenAI]:
    base_url = str(client.make_url("/v1"))
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as official:
        yield official


async def test_the_official_client(aclient: openai.AsyncOpenAI, worker: ScriptedWorker) -> None:
    """It asks for base64 unless told otherwise, and decodes it itself."""
    answer = await aclient.embeddings.create(model="tiny-latest", input=["a", "b"], user="me")
    assert [(one.index, one.object) for one in answer.data] == [(0, "embedding"), (1, "embedding")]
    assert answer.data[1].embedding == pytest.approx([1.0, 0.1, 0.1, 0.1])
    assert (answer.model, answer.object) == ("tiny", "list")
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (6, 6)
    plain = await aclient.embeddings.create(
        model="tiny", input="a", dimensions=2, encoding_format="float"
    )
    assert plain.data[0].embedding == pytest.approx([0.0, 0.1])
    assert worker.requests[1].dimensions == 2
    assert not worker.requests[0].HasField("dimensions")
    assert {request.request_id[:5] for request in worker.requests} == {"embd-"}


@pytest.mark.parametrize(
    ("given", "texts", "tokens"),
    [
        ("hello", ["hello"], []),
        (["a", "b"], ["a", "b"], []),
        ([1, 2, 3], [], [[1, 2, 3]]),
        ([[1, 2], [3]], [], [[1, 2], [3]]),
    ],
)
async def test_every_form_of_input(
    client: TestClient, worker: ScriptedWorker, given: Any, texts: Any, tokens: Any
) -> None:
    response = await client.post(EMBEDDINGS, json={"model": "tiny", "input": given})
    assert response.status == 200, await response.text()
    sent = worker.requests[0].inputs
    assert [each.text for each in sent if each.WhichOneof("input") == "text"] == texts
    assert [list(each.tokens.ids) for each in sent if each.HasField("tokens")] == tokens
    assert len((await response.json())["data"]) == len(texts) + len(tokens)


async def test_the_shape_of_the_answer(client: TestClient) -> None:
    body = {"model": "tiny", "input": ["a", "b"], "dimensions": 2}
    answer = await (await client.post(EMBEDDINGS, json=body)).json()
    tenth = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert answer == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.0, tenth]},
            {"object": "embedding", "index": 1, "embedding": [1.0, tenth]},
        ],
        "model": "tiny",
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    }
    body["encoding_format"] = "base64"
    answer = await (await client.post(EMBEDDINGS, json=body)).json()
    assert base64.b64decode(answer["data"][1]["embedding"]) == struct.pack("<2f", 1.0, 0.1)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": None}, "input", "invalid_type"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": ["a", ""]}, "input[1]", "invalid_value"),
        ({"input": ["a", 1]}, "input[1]", "invalid_type"),
        ({"input": [1, "a"]}, "input[1]", "invalid_type"),
        ({"input": [[1], []]}, "input[1]", "invalid_value"),
        ({"input": [-1]}, "input[0]", "invalid_value"),
        ({"input": ["a"] * 2049}, "input", "invalid_value"),
        ({"dimensions": 0}, "dimensions", "invalid_value"),
        ({"dimensions": "2"}, "dimensions", "invalid_type"),
        ({"encoding_format": "hex"}, "encoding_format", "invalid_value"),
        ({"temperature": 1}, "temperature", "unknown_parameter"),
        ({"model": ""}, "model", "invalid_value"),
    ],
)
async def test_mistakes_reach_no_worker(
    client: TestClient, worker: ScriptedWorker, fields: Any, param: str, code: str
) -> None:
    response = await client.post(EMBEDDINGS, json={"model": "tiny", "input": "a", **fields})
    error = (await response.json())["error"]
    assert (response.status, error["param"], error["code"]) == (400, param, code), error
    assert error["type"] == "invalid_request_error"
    assert worker.requests == []


async def test_an_unknown_model_is_a_404(aclient: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await aclient.embeddings.create(model="huge", input="a")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("code", "refusal", "status", "expected"),
    [
        (
            StatusCode.UNIMPLEMENTED,
            {"message": "tiny generates text and makes no embeddings"},
            400,
            {"code": "unsupported_operation", "param": None},
        ),
        (
            StatusCode.INVALID_ARGUMENT,
            {"message": "must be in [1, 4]", "reason": "invalid_value", "field": "dimensions"},
            400,
            {"code": "invalid_value", "param": "dimensions"},
        ),
        (
            StatusCode.INVALID_ARGUMENT,
            {"reason": "invalid_value", "field": "inputs[3].tokens.ids[7]"},
            400,
            {"code": "invalid_value", "param": "input[3]"},
        ),
        (
            StatusCode.INVALID_ARGUMENT,
            {
                "reason": "context_length_exceeded",
                "field": "inputs[1]",
                "metadata": {"prompt_tokens": "602", "max_model_len": "256"},
            },
            400,
            {
                "code": "context_length_exceeded",
                "param": "input[1]",
                "message": "This model's maximum context length is 256 tokens; the request has 602 "
                "in the input[1]",
            },
        ),
        (StatusCode.RESOURCE_EXHAUSTED, {"retry_after": 1}, 429, {"code": "queue_full"}),
        (StatusCode.ABORTED, {"reason": "request_aborted"}, 410, {"code": "request_aborted"}),
        (StatusCode.DEADLINE_EXCEEDED, {}, 504, {"code": "deadline_exceeded"}),
        (StatusCode.INTERNAL, {}, 502, {"code": "worker_error"}),
    ],
)
async def test_what_the_worker_refuses(
    client: TestClient,
    worker: ScriptedWorker,
    code: StatusCode,
    refusal: dict[str, Any],
    status: int,
    expected: dict[str, Any],
) -> None:
    async def refuses(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(context, code, **refusal)
        yield inference_pb2.EmbedResponse()

    worker.script = refuses
    response = await client.post(EMBEDDINGS, json={"model": "tiny", "input": "a"})
    error = (await response.json())["error"]
    assert response.status == status
    assert expected.items() <= error.items()
    if code is StatusCode.UNIMPLEMENTED:
        assert error["message"] == "tiny generates text and makes no embeddings"


@pytest.mark.parametrize("missing", ["a vector", "usage"])
async def test_an_answer_that_is_not_whole_is_a_502(
    client: TestClient, worker: ScriptedWorker, missing: str
) -> None:
    async def half(request: Any, context: Any) -> AsyncIterator[Any]:
        vectors = [inference_pb2.Embedding(values=[1.0])] * (1 if missing == "a vector" else 2)
        usage = None if missing == "usage" else tokens_pb2.Usage(prompt_tokens=2)
        yield inference_pb2.EmbedResponse(embeddings=vectors, usage=usage)

    worker.script = half
    response = await client.post(EMBEDDINGS, json={"model": "tiny", "input": ["a", "b"]})
    assert response.status == 502
    assert (await response.json())["error"]["code"] == "worker_error"


async def test_a_lost_worker_is_replaced() -> None:
    async def lost(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(context, StatusCode.UNAVAILABLE, reason="draining")
        yield inference_pb2.EmbedResponse()

    async with (
        ScriptedWorker(lost) as first,
        ScriptedWorker(embeds) as second,
        gateway_before([first.address, second.address]) as client,
    ):
        for _ in range(8):  # each goes to one of the two at first
            response = await client.post(EMBEDDINGS, json={"model": "tiny", "input": "a"})
            assert response.status == 200, await response.text()
        text = await (await client.get("/metrics")).text()
    assert 'rostra_gateway_retries_total{status="UNAVAILABLE"}' in text
    assert len(second.requests) == 8
    assert {request.request_id[-2:] for request in second.requests} & {"-2", "-3"}


async def test_a_client_that_goes_away_ends_its_request(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def silent(request: Any, context: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(60)
        yield inference_pb2.EmbedResponse()

    worker.script = silent
    asking = asyncio.create_task(client.post(EMBEDDINGS, json={"model": "tiny", "input": "a"}))
    await eventually(lambda: worker.running == 1)
    asking.cancel()
    await eventually(lambda: worker.running == 0)


async def test_metrics_and_the_list_of_models(
    client: TestClient, aclient: openai.AsyncOpenAI
) -> None:
    await aclient.embeddings.create(model="tiny", input=["a", "b"])
    text = await (await client.get("/metrics")).text()
    assert 'rostra_gateway_prompt_tokens_total{model="tiny"} 6.0' in text
    assert 'requests_total{model="tiny",route="/v1/embeddings",status="200"} 1.0' in text
    (model,) = (await (await client.get("/v1/models")).json())["data"]
    assert model["embedding_size"] == 4


async def test_a_generative_model_has_no_embedding_size() -> None:
    async with ScriptedWorker() as worker, gateway_before([worker.address]) as client:
        (model,) = (await (await client.get("/v1/models")).json())["data"]
    assert model["embedding_size"] is None
