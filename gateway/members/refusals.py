"""What a member does not take, told before anything is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grpc import StatusCode
from grpc.aio import AioRpcError

from rostra.gateway.grpc_status import status_error, unsupported
from rostra.gateway.images import NO_IMAGES, first_image
from rostra.gateway.members.requests import unknown_fields
from rostra.gateway.members.settings import MemberModel
from rostra.v1 import chat_pb2, inference_pb2


def ability_refusal(request: Any, model: MemberModel) -> AioRpcError | None:
    """Of the first field that asks for more than the model's table says it takes."""
    match request:
        case inference_pb2.EmbedRequest():
            return None if model.embedding_size else _impossible("makes no embeddings")
        case chat_pb2.ChatRequest() | inference_pb2.GenerateRequest() if model.embedding_size:
            return _impossible("makes embeddings, and generates no text")
        case chat_pb2.ChatRequest() | inference_pb2.GenerateRequest():
            return _of_generation(request, model)
    return no_tokenizer()


def _of_generation(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest, model: MemberModel
) -> AioRpcError | None:
    for field, why in _not_taken(request, model):
        return unsupported(field, why)
    return None


def _not_taken(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest, model: MemberModel
) -> Iterator[tuple[str, str]]:
    """Fields, and why."""
    sampling = request.sampling
    if isinstance(request, chat_pb2.ChatRequest):
        if request.tools and not model.tools:
            yield "tools", "the model takes no tools"
        if not model.images and (image := first_image(request)) is not None:
            yield image, NO_IMAGES
    if sampling.n > model.max_outputs:
        yield "sampling.n", f"the model gives at most {model.max_outputs} at once"
    if sampling.HasField("logprobs") and not model.logprobs:
        yield "sampling.logprobs", "the model gives no log-probabilities"
    if sampling.HasField("prompt_logprobs"):
        yield "sampling.prompt_logprobs", "the model gives no log-probabilities of a prompt"
    form = request.structured_output.WhichOneof("form")
    if form in ("json_object", "json_schema") and form not in model.response_formats:
        yield "structured_output", f"the model takes no {form}"
    for name, field in unknown_fields(request):
        if name not in model.extra_fields:
            yield field, "the server behind this model does not take it"


def no_tokenizer() -> AioRpcError:
    return _impossible("is served by another server, whose tokenizer cannot be asked")


def _impossible(what: str) -> AioRpcError:
    return status_error(StatusCode.UNIMPLEMENTED, f"The model {what}")
