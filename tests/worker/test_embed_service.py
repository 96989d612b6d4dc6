"""Inference.Embed over a real engine process: vectors, refusals, ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
import torch
from tiny_encoder import CLS, MAX_MODEL_LEN, SEP, SIZE, WORDS, save_tiny_encoder
from transformers import BertModel
from worker_harness import (
    Refusal,
    Service,
    chat,
    eventually,
    generate,
    read_refusal,
    refused,
    running,
    tiny_config,
)

from rostra.v1 import control_pb2, inference_pb2

FOX = [CLS, 4, 5, 6, 7, SEP]
LONG = [CLS, *[8] * (MAX_MODEL_LEN - 2), SEP]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-encoder")
    save_tiny_encoder(path)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_embedder(tiny_encoder: Path) -> AsyncIterator[Service]:
    async with running(config(tiny_encoder)) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def embedder(shared_embedder: Service) -> AsyncIterator[Service]:
    yield shared_embedder
    await eventually(shared_embedder.idle)
    assert await shared_embedder.serving()


def config(path: Path, **engine: Any) -> Any:
    return tiny_config(path, num_blocks=None, **engine)


def embed(*inputs: str | list[int], **fields: Any) -> inference_pb2.EmbedRequest:
    return inference_pb2.EmbedRequest(
        inputs=[
            inference_pb2.EmbedInput(text=each)
            if isinstance(each, str)
            else inference_pb2.EmbedInput(tokens=inference_pb2.TokenIds(ids=each))
            for each in inputs
        ],
        **fields,
    )


def vectors(response: inference_pb2.EmbedResponse) -> np.ndarray:
    return np.array([each.values for each in response.embeddings])


def expected(path: Path, *inputs: list[int]) -> np.ndarray:
    """By transformers, pooled and normalised."""
    model = BertModel.from_pretrained(path).eval()
    with torch.no_grad():
        means = [model(torch.tensor([ids])).last_hidden_state[0].mean(0) for ids in inputs]
    return torch.nn.functional.normalize(torch.stack(means)).numpy()


@pytest.mark.asyncio(loop_scope="session")
async def test_texts_and_tokens_become_unit_vectors(embedder: Service, tiny_encoder: Path):
    response = await embedder.inference.Embed(
        embed("The quick brown fox", [4, 8], "a lazy dog jumps over the quick brown fox", FOX)
    )
    long = [CLS, 11, 12, 13, 8, 9, 10, 4, 5, 6, 7, SEP]
    found = vectors(response)
    np.testing.assert_allclose(
        found, expected(tiny_encoder, FOX, [4, 8], long, FOX), atol=1e-4, rtol=0
    )
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    assert response.usage.prompt_tokens == 2 * len(FOX) + 2 + len(long)
    assert response.usage.completion_tokens == 0


@pytest.mark.asyncio(loop_scope="session")
async def test_fewer_dimensions(embedder: Service):
    whole = vectors(await embedder.inference.Embed(embed("the fox")))[0]
    cut = vectors(await embedder.inference.Embed(embed("the fox", dimensions=5)))[0]
    assert len(whole) == SIZE
    np.testing.assert_allclose(cut, whole[:5] / np.linalg.norm(whole[:5]), atol=1e-6)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_longest_input_and_many_at_once(embedder: Service):
    answers = await asyncio.gather(
        *(embedder.inference.Embed(embed(*[LONG] * 6, [4, number % 9 + 4])) for number in range(12))
    )
    assert {len(answer.embeddings) for answer in answers} == {7}
    same = np.array([vectors(answer)[:6] for answer in answers])
    np.testing.assert_allclose(same, np.broadcast_to(same[0, 0], same.shape), atol=1e-5)


@pytest.mark.parametrize(
    ("request_", "violations"),
    [
        (embed(), {"inputs": "invalid_value"}),
        (embed(*["a"] * 2049), {"inputs": "invalid_value"}),
        (embed("a", ""), {"inputs[1].text": "invalid_value"}),
        (embed("a", []), {"inputs[1].tokens": "invalid_value"}),
        (inference_pb2.EmbedRequest(inputs=[{}]), {"inputs[0]": "invalid_value"}),
        (embed([1, len(WORDS)]), {"inputs[0].tokens.ids[1]": "invalid_value"}),
        (embed("a", dimensions=0), {"dimensions": "invalid_value"}),
        (embed("a", dimensions=SIZE + 1), {"dimensions": "invalid_value"}),
        (embed("a", "dog " * MAX_MODEL_LEN), {"inputs[1]": "context_length_exceeded"}),
        (embed([4] * (MAX_MODEL_LEN + 1)), {"inputs[0]": "context_length_exceeded"}),
        (embed("a", request_id="x" * 257), {"request_id": "invalid_value"}),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_mistakes_are_named(embedder: Service, request_: Any, violations: dict[str, str]):
    refusal = await refused(embedder.inference.Embed(request_))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violations == violations
    if "context_length_exceeded" in violations.values():
        assert refusal.reason == "context_length_exceeded"
        assert refusal.metadata["max_model_len"] == str(MAX_MODEL_LEN)
        assert int(refusal.metadata["prompt_tokens"]) > MAX_MODEL_LEN
        assert "max_tokens" not in refusal.metadata


@pytest.mark.asyncio(loop_scope="session")
async def test_what_the_model_is_and_is_not_for(embedder: Service):
    (info,) = (await embedder.control.GetModelInfo(control_pb2.GetModelInfoRequest())).models
    assert (info.architecture, info.embedding_size) == ("BertModel", SIZE)
    assert (info.max_model_len, info.vocab_size) == (MAX_MODEL_LEN, len(WORDS))
    for call in (embedder.inference.Chat(chat()), embedder.inference.Generate(generate())):
        refusal = await refused(call)
        assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
        assert refusal.message == "tiny makes embeddings and generates no text; use Embed"
    refusal = await refused(embedder.inference.Embed(embed("a", model="other")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "model_not_found")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_generative_model_does_not_embed(service: Service):
    refusal = await refused(service.inference.Embed(embed("a")))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
    assert refusal.message == "tiny generates text and makes no embeddings"
    (info,) = (await service.control.GetModelInfo(control_pb2.GetModelInfoRequest())).models
    assert not info.HasField("embedding_size")


@pytest.mark.asyncio(loop_scope="session")
async def test_tokens_there_and_back(embedder: Service):
    request = inference_pb2.TokenizeRequest(text="The Fox jumps")
    tokens = (await embedder.inference.Tokenize(request)).tokens
    assert [token.id for token in tokens] == [CLS, 4, 7, 8, 9, SEP]
    back = await embedder.inference.Detokenize(
        inference_pb2.DetokenizeRequest(ids=[4, 7, 8, 9], skip_special_tokens=True)
    )
    assert back.text == "the fox jumps"


@pytest.mark.asyncio(loop_scope="session")
async def test_load_counts_go_on(embedder: Service):
    before = await embedder.load()
    await embedder.inference.Embed(embed(FOX, FOX))
    after = await embedder.load()
    assert after.prompt_tokens == before.prompt_tokens + 2 * len(FOX)
    assert after.finished_requests == before.finished_requests + 1
    assert (after.kv_blocks_total, after.generated_tokens) == (0, 0)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_deadline_ends_a_request(embedder: Service):
    os.kill(embedder.worker.engine.pids[0], signal.SIGSTOP)
    try:
        call = embedder.inference.Embed(embed("a"), timeout=0.3)
        refusal = await refused(call)
    finally:
        os.kill(embedder.worker.engine.pids[0], signal.SIGCONT)
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.asyncio(loop_scope="session")
async def test_an_abort_and_a_second_request_of_the_same_id(embedder: Service):
    os.kill(embedder.worker.engine.pids[0], signal.SIGSTOP)
    try:
        call = asyncio.ensure_future(embedder.inference.Embed(embed("a", request_id="mine")))
        await eventually(lambda: _runs(embedder, "mine"))
        again = await refused(embedder.inference.Embed(embed("a", request_id="mine")))
        assert again.code is grpc.StatusCode.ALREADY_EXISTS
        abort = control_pb2.AbortRequest(request_id="mine")
        assert (await embedder.control.Abort(abort)).aborted
        assert not (await embedder.control.Abort(abort)).aborted
    finally:
        os.kill(embedder.worker.engine.pids[0], signal.SIGCONT)
    refusal = await refused(call)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "request_aborted")


async def _runs(service: Service, request_id: str) -> bool:
    return request_id in service.worker.running._running


async def test_a_full_queue_is_resource_exhausted(tiny_encoder: Path):
    settings = config(tiny_encoder, max_num_seqs=1, max_waiting_requests=1)
    async with running(settings) as service:
        pid = service.worker.engine.pids[0]
        os.kill(pid, signal.SIGSTOP)
        calls = [asyncio.ensure_future(refused_or_not(service)) for _ in range(6)]
        try:
            await eventually(lambda: _all_run(service, 6))
        finally:
            os.kill(pid, signal.SIGCONT)
        ends = await asyncio.gather(*calls)
    assert ends.count(None) == 2
    full = [end for end in ends if end is not None]
    assert {(end.code, end.reason) for end in full} == {
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue_full")
    }
    assert {end.retry_seconds for end in full} == {1}


async def _all_run(service: Service, count: int) -> bool:
    return len(service.worker.running._running) == count


async def refused_or_not(service: Service) -> Refusal | None:
    try:
        await service.inference.Embed(embed(FOX))
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    return None


async def test_a_drain_lets_it_end_and_a_killed_engine_comes_back(tiny_encoder: Path):
    async with running(config(tiny_encoder)) as service:
        pid = service.worker.engine.pids[0]
        os.kill(pid, signal.SIGSTOP)
        call = asyncio.ensure_future(service.inference.Embed(embed("a")))
        await eventually(lambda: _all_run(service, 1))
        os.kill(pid, signal.SIGKILL)
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "engine_failed")
        await eventually(service.serving)
        running_on = asyncio.ensure_future(service.inference.Embed(embed(*[LONG] * 200)))
        await eventually(lambda: _all_run(service, 1))
        drained = await service.control.Drain(control_pb2.DrainRequest())
        assert drained.aborted_requests == 0
        assert len((await running_on).embeddings) == 200
        refusal = await refused(service.inference.Embed(embed("a")))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "draining")
