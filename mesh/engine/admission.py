"""Refuses what could never run, before it is queued."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rostra.mesh.engine.messages import EngineRequest, SamplingParams
from rostra.mesh.errors import RostraError


class RequestRefusedError(RostraError):
    """The engine does not take this request."""


class InvalidRequestError(RequestRefusedError):
    """A value of the request is out of its range."""


class PromptTooLongError(RequestRefusedError):
    """The prompt leaves no room for an answer."""


class GrammarRefusedError(RequestRefusedError):
    """The grammar of the request cannot be followed."""


class DuplicateRequestError(RequestRefusedError):
    """A request of that id is running or waiting."""


class QueueFullError(RequestRefusedError):
    """As many requests wait as may; a later try may succeed."""


def check_request(request: EngineRequest, vocab_size: int) -> None:
    """Raises InvalidRequestError with one line that names the first wrong value."""
    for problem in _problems(request, vocab_size):
        raise InvalidRequestError(f"request {request.request_id}: {problem}")


def _problems(request: EngineRequest, vocab_size: int) -> Iterator[str]:
    if not request.request_id:
        yield "request_id is empty"
    if not request.prompt_token_ids:
        yield "the prompt is empty; it needs at least one token"
        return
    if min(request.prompt_token_ids) < 0 or max(request.prompt_token_ids) >= vocab_size:
        yield f"the prompt has a token id outside the vocabulary of {vocab_size}"
    resumed = request.resumed_token_ids
    if resumed and not 0 <= min(resumed) <= max(resumed) < vocab_size:
        yield f"what is resumed has a token id outside the vocabulary of {vocab_size}"
    if resumed and len(resumed) >= request.sampling.max_tokens:
        yield f"{len(resumed)} tokens are resumed, and max_tokens is {request.sampling.max_tokens}"
    yield from _sampling_problems(request.sampling, vocab_size)


def _sampling_problems(params: SamplingParams, vocab_size: int) -> Iterator[str]:
    ranges = {
        "temperature": 0 <= params.temperature < math.inf,
        "top_p": 0 < params.top_p <= 1,
        "top_k": params.top_k >= 0,
        "min_p": 0 <= params.min_p <= 1,
        "presence_penalty": math.isfinite(params.presence_penalty),
        "frequency_penalty": math.isfinite(params.frequency_penalty),
        "repetition_penalty": 0 < params.repetition_penalty < math.inf,
        "logit_bias": all(math.isfinite(bias) for bias in params.logit_bias.values()),
        "seed": 0 <= params.seed < 2**64,
        "max_tokens": params.max_tokens >= 1,
        "min_tokens": params.min_tokens >= 0,
        "logprobs": params.logprobs is None or params.logprobs >= 0,
        "prompt_logprobs": params.prompt_logprobs is None or params.prompt_logprobs >= 0,
    }
    for name, holds in ranges.items():
        if not holds:
            yield f"{name} is {getattr(params, name)}, which is out of its range"
    for name, ids in (
        ("logit_bias", params.logit_bias),
        ("stop_token_ids", params.stop_token_ids),
    ):
        for token_id in ids:
            if not 0 <= token_id < vocab_size:
                yield f"{name} has token id {token_id}, outside the vocabulary of {vocab_size}"
