"""From a request for vectors on the wire to its answer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import grpc

from rostra.mesh.engine.messages import EmbeddingRequest, FinishReason, RequestOutput
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.engine_stream import EngineTooLongError
from rostra.mesh.worker.jobs import check_token_ids
from rostra.mesh.worker.model import ServedModel, beside_the_loop
from rostra.mesh.worker.request_log import RequestRecord
from rostra.mesh.worker.running import RunningRequest
from rostra.mesh.worker.status import (
    RpcError,
    Violation,
    context_length_exceeded,
    deadline_exceeded,
    invalid_argument,
    unavailable,
)
from rostra.mesh.worker.wire import EngineInfo
from rostra.v1 import inference_pb2, tokens_pb2

MAX_INPUTS = 2048
"""Of one request, as in the OpenAI API."""

# Names for the engine: it must not see two requests of one name, even after one was aborted.
_serial = itertools.count()


async def read_inputs(
    request: inference_pb2.EmbedRequest, model: ServedModel, engine: EngineInfo
) -> list[list[int]]:
    """The token ids of each input, with every field checked. Raises RpcError."""
    size = sum(len(each.text) + len(each.tokens.ids) for each in request.inputs)
    return await beside_the_loop(size, lambda: _read_inputs(request, model, engine))


async def embed(
    request: EmbeddingRequest,
    engine: EngineClient,
    running: RunningRequest,
    record: RequestRecord,
) -> inference_pb2.EmbedResponse:
    """Raises RpcError, or what the engine raises."""
    record.prompt_tokens = sum(map(len, request.inputs))
    try:
        stream = await engine.submit(request, on_step=record.on_step)
    except EngineTooLongError as error:
        raise invalid_argument([Violation("inputs", str(error))]) from error
    try:
        running.attach(stream)
        async for output in stream:
            record.note_output(0, output)
            # The vectors may have come together with the admission, after the abort was confirmed.
            if running.aborted or output.finish is FinishReason.ABORT:
                raise RpcError(grpc.StatusCode.ABORTED, "request_aborted", "the request was ended")
            return await _response(request, output)
    finally:
        stream.abort()
    raise unavailable("engine_failed", "the engine made no vectors")


def engine_request(
    request: inference_pb2.EmbedRequest,
    inputs: list[list[int]],
    request_id: str,
    deadline: float | None,
) -> EmbeddingRequest:
    """`deadline` in seconds of `time.monotonic()`."""
    return EmbeddingRequest(
        request_id=f"embed-{next(_serial)}/{request_id}",
        inputs=inputs,
        dimensions=request.dimensions if request.HasField("dimensions") else None,
        deadline=deadline,
    )


async def _response(
    request: EmbeddingRequest, output: RequestOutput
) -> inference_pb2.EmbedResponse:
    if output.finish is FinishReason.DEADLINE:
        raise deadline_exceeded()
    if output.embeddings is None:
        raise unavailable("engine_failed", output.error or "the engine failed at this request")
    vectors = output.embeddings
    usage = tokens_pb2.Usage(prompt_tokens=sum(map(len, request.inputs)))
    return await beside_the_loop(
        sum(map(len, vectors)),
        lambda: inference_pb2.EmbedResponse(embeddings=_embeddings(vectors), usage=usage),
    )


def _embeddings(vectors: Sequence[bytes]) -> list[inference_pb2.Embedding]:
    return [inference_pb2.Embedding(values=memoryview(data).cast("f")) for data in vectors]


def _read_inputs(
    request: inference_pb2.EmbedRequest, model: ServedModel, engine: EngineInfo
) -> list[list[int]]:
    checks = Checks()
    if not 1 <= len(request.inputs) <= MAX_INPUTS:
        checks.invalid("inputs", f"must be 1 to {MAX_INPUTS}, got {len(request.inputs)}")
    for position, each in enumerate(request.inputs[:MAX_INPUTS]):
        _check_input(checks, f"inputs[{position}]", each, engine)
    size = engine.embedding_size
    if request.HasField("dimensions") and not 1 <= request.dimensions <= (size or 0):
        checks.invalid(
            "dimensions", f"must be in [1, {size}], the model's own, got {request.dimensions}"
        )
    checks.finish()
    inputs = [_token_ids(each, model) for each in request.inputs]
    for position, token_ids in enumerate(inputs):
        _check_length(f"inputs[{position}]", token_ids, engine.max_model_len)
    return inputs


def _check_input(
    checks: Checks, field: str, each: inference_pb2.EmbedInput, engine: EngineInfo
) -> None:
    form = each.WhichOneof("input")
    if form is None:
        checks.invalid(field, "must be a text or token ids")
    elif not (each.text if form == "text" else each.tokens.ids):
        checks.invalid(f"{field}.{form}", "must not be empty")
    # One that is longer than the context is refused for that.
    ids = each.tokens.ids[: engine.max_model_len]
    check_token_ids(checks, f"{field}.tokens.ids", ids, engine.vocab_size)


def _token_ids(each: inference_pb2.EmbedInput, model: ServedModel) -> list[int]:
    if each.WhichOneof("input") == "tokens":
        return list(each.tokens.ids)
    return model.tokenizer.encode(each.text)


def _check_length(field: str, token_ids: Sequence[int], longest: int) -> None:
    if not token_ids:
        raise invalid_argument([Violation(field, "has no tokens")])
    if len(token_ids) > longest:
        raise context_length_exceeded(
            field,
            f"the input has {len(token_ids)} tokens, and the model takes {longest} at most",
            prompt_tokens=len(token_ids),
            max_tokens=None,
            max_model_len=longest,
        )
