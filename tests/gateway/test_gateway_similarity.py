"""POST /v1/score and /v1/rerank."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, refuse
from grpc import StatusCode

from rostra.gateway.schemas.answers.similarity import Ranking, Scores
from rostra.v1 import inference_pb2, tokens_pb2

SIZE = 8


def vector(text: str) -> np.ndarray:
    """Any one of unit length, the same for the same text."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    values = np.random.default_rng(seed).normal(size=SIZE)
    return (values / np.linalg.norm(values)).astype(np.float32)


def cosine(one: str, other: str) -> float:
    a, b = vector(one).astype(float), vector(other).astype(float)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


async def embeds(request: Any, context: Any) -> AsyncIterator[Any]:
    yield inference_pb2.EmbedResponse(
        embeddings=[inference_pb2.Embedding(values=vector(each.text)) for each in request.inputs],
        usage=tokens_pb2.Usage(prompt_tokens=2 * len(request.inputs)),
    )


@pytest.fixture
async def worker() -> AsyncIterator[ScriptedWorker]:
    async with ScriptedWorker(embeds) as started:
        started.model.embedding_size = SIZE
        yield started


async def post(client: TestClient, path: str, body: dict[str, Any]) -> Any:
    response = await client.post(path, json={"model": "tiny", **body})
    assert response.status == 200, await response.text()
    return await response.json()


@pytest.mark.parametrize("path", ["/v1/score", "/score"])
@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("a", "b", ["ab"]),
        ("a", "a", ["aa"]),
        ("a", ["b", "c", "a"], ["ab", "ac", "aa"]),
        (["a"], ["b", "c"], ["ab", "ac"]),
        (["a", "b"], ["c", "d"], ["ac", "bd"]),
        (["a"], "b", ["ab"]),
    ],
)
async def test_scores(
    client: TestClient, path: str, first: Any, second: Any, pairs: list[str]
) -> None:
    answer = await post(client, path, {"text_1": first, "text_2": second, "user": "me"})
    Scores.model_validate(answer)
    assert (answer["object"], answer["model"]) == ("list", "tiny")
    assert [one["index"] for one in answer["data"]] == list(range(len(pairs)))
    expected = [cosine(*pair) for pair in pairs]
    assert [one["score"] for one in answer["data"]] == pytest.approx(expected, abs=1e-6)
    texts = (len(first) if isinstance(first, list) else 1) + (
        len(second) if isinstance(second, list) else 1
    )
    assert answer["usage"] == {"prompt_tokens": 2 * texts, "total_tokens": 2 * texts}


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
async def test_ranks(client: TestClient, path: str) -> None:
    documents = [f"document {number}" for number in range(20)]
    mixed = [text if number % 2 else {"text": text} for number, text in enumerate(documents)]
    answer = await post(client, path, {"query": "who?", "documents": mixed})
    Ranking.model_validate(answer)
    scores = [cosine("who?", text) for text in documents]
    order = np.argsort(-np.array(scores)).tolist()
    assert [one["index"] for one in answer["results"]] == order
    assert [one["relevance_score"] for one in answer["results"]] == pytest.approx(
        [scores[index] for index in order], abs=1e-6
    )
    assert [one["document"]["text"] for one in answer["results"]] == [
        documents[index] for index in order
    ]
    assert answer["usage"]["total_tokens"] == 42


async def test_the_best_few_without_their_texts(client: TestClient) -> None:
    documents = ["b", "a", "c", "a"]
    body = {"query": "a", "documents": documents, "top_n": 2, "return_documents": False}
    answer = await post(client, "/v1/rerank", body)
    Ranking.model_validate(answer)
    # Of equals, the first.
    assert [one["index"] for one in answer["results"]] == [1, 3]
    assert all(set(one) == {"index", "relevance_score"} for one in answer["results"])
    more = await post(client, "/v1/rerank", {**body, "top_n": 100})
    assert len(more["results"]) == 4


async def test_many_documents_go_in_several_requests(
    client: TestClient, worker: ScriptedWorker
) -> None:
    documents = [f"document {number}" for number in range(5000)]
    answer = await post(
        client, "/v1/rerank", {"query": "q", "documents": documents, "return_documents": False}
    )
    assert [len(request.inputs) for request in worker.requests] == [2048, 2048, 907]
    assert len({request.request_id for request in worker.requests}) == 3
    scores = {one["index"]: one["relevance_score"] for one in answer["results"]}
    expected = [cosine("q", text) for text in documents]
    assert [scores[index] for index in range(5000)] == pytest.approx(expected, abs=1e-6)


async def test_many_pairs_go_in_several_requests(
    client: TestClient, worker: ScriptedWorker
) -> None:
    firsts = [f"first {number}" for number in range(1500)]
    seconds = [f"second {number}" for number in range(1500)]
    answer = await post(client, "/v1/score", {"text_1": firsts, "text_2": seconds})
    assert [len(request.inputs) for request in worker.requests] == [2048, 952]
    expected = [cosine(*pair) for pair in zip(firsts, seconds, strict=True)]
    assert [one["score"] for one in answer["data"]] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/score", {"text_1": "a"}, "text_2"),
        ("/v1/score", {"text_1": [], "text_2": "a"}, "text_1"),
        ("/v1/score", {"text_1": "", "text_2": "a"}, "text_1"),
        ("/v1/score", {"text_1": "a", "text_2": ["b", ""]}, "text_2[1]"),
        ("/v1/score", {"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}, "text_1"),
        ("/v1/score", {"text_1": ["a", "b"], "text_2": "a"}, "text_1"),
        ("/v1/score", {"text_1": [[1]], "text_2": "a"}, "text_1[0]"),
        ("/v1/score", {"text_1": {"content": []}, "text_2": "a"}, "text_1"),
        (
            "/v1/score",
            {"text_1": "a", "text_2": "b", "truncate_prompt_tokens": 5},
            "truncate_prompt_tokens",
        ),
        ("/v1/rerank", {"query": "a"}, "documents"),
        ("/v1/rerank", {"query": "a", "documents": []}, "documents"),
        ("/v1/rerank", {"query": "", "documents": ["a"]}, "query"),
        ("/v1/rerank", {"query": "a", "documents": ["a", {"text": ""}]}, "documents[1].text"),
        ("/v1/rerank", {"query": "a", "documents": [{"title": "a"}]}, "documents[0].text"),
        ("/v1/rerank", {"query": "a", "documents": [3]}, "documents[0]"),
        ("/v1/rerank", {"query": "a", "documents": ["b"] * 10_001}, "documents"),
        ("/v1/score", {"text_1": "a", "text_2": ["b"] * 10_001}, "text_2"),
        ("/v1/rerank", {"query": "a", "documents": ["a"], "top_n": 0}, "top_n"),
        (
            "/v1/rerank",
            {"query": "a", "documents": ["a"], "max_tokens_per_doc": 9},
            "max_tokens_per_doc",
        ),
        ("/v1/rerank", {"query": "a", "documents": ["a"], "rank_fields": ["x"]}, "rank_fields"),
        ("/v1/rerank", {"query": "a", "documents": ["a"], "truncation": True}, "truncation"),
    ],
)
async def test_mistakes_are_named(
    client: TestClient, worker: ScriptedWorker, path: str, body: dict[str, Any], param: str
) -> None:
    response = await client.post(path, json={"model": "tiny", **body})
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param), error
    assert not worker.requests


@pytest.mark.parametrize(
    ("path", "body", "place", "param"),
    [
        ("/v1/score", {"text_1": "a", "text_2": ["b", "c"]}, 0, "text_1"),
        ("/v1/score", {"text_1": "a", "text_2": ["b", "c"]}, 2, "text_2[1]"),
        ("/v1/score", {"text_1": ["a", "b"], "text_2": ["c", "d"]}, 1, "text_1[1]"),
        ("/v1/rerank", {"query": "a", "documents": ["b", "c"]}, 0, "query"),
        ("/v1/rerank", {"query": "a", "documents": ["b", "c"]}, 2, "documents[1]"),
    ],
)
async def test_a_text_that_is_too_long_is_named(
    client: TestClient,
    worker: ScriptedWorker,
    path: str,
    body: dict[str, Any],
    place: int,
    param: str,
) -> None:
    async def refuses(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(
            context,
            StatusCode.INVALID_ARGUMENT,
            reason="context_length_exceeded",
            field=f"inputs[{place}].text",
            metadata={"max_model_len": "8", "prompt_tokens": "9"},
        )
        yield inference_pb2.EmbedResponse()

    worker.script = refuses
    response = await client.post(path, json={"model": "tiny", **body})
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param)
    assert error["code"] == "context_length_exceeded"
    assert param in error["message"]


@pytest.mark.parametrize(
    "vectors",
    [[[1.0]], [[1.0], [1.0, 0.0]], [[float("nan")], [1.0]]],
    ids=["one too few", "of different lengths", "no number"],
)
async def test_a_worker_that_breaks_the_contract(
    client: TestClient, worker: ScriptedWorker, vectors: list[list[float]]
) -> None:
    async def broken(request: Any, context: Any) -> AsyncIterator[Any]:
        yield inference_pb2.EmbedResponse(
            embeddings=[inference_pb2.Embedding(values=each) for each in vectors],
            usage=tokens_pb2.Usage(prompt_tokens=1),
        )

    worker.script = broken
    response = await client.post("/v1/score", json={"model": "tiny", "text_1": "a", "text_2": "b"})
    assert response.status == 502
    assert (await response.json())["error"]["code"] == "worker_error"


async def test_a_model_that_generates_says_so(client: TestClient, worker: ScriptedWorker) -> None:
    async def cannot(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(context, StatusCode.UNIMPLEMENTED, "this model generates text")
        yield inference_pb2.EmbedResponse()

    worker.script = cannot
    response = await client.post(
        "/v1/rerank", json={"model": "tiny", "query": "a", "documents": ["b"]}
    )
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "unsupported_operation")
    assert error["message"] == "this model generates text"
