"""Answers of /v1/completions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count, UnixTime
from rostra.gateway.schemas.answers.common import Fingerprint, FinishReason, Usage


class CompletionLogprobs(Answer):
    """Parallel lists, one entry for each token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: Annotated[
        list[Count], Field(description="Characters of the text before each token.")
    ]


class CompletionChoice(Answer):
    index: Count
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason


class Completion(Answer):
    id: str
    object: Literal["text_completion"]
    created: UnixTime
    model: str
    system_fingerprint: Fingerprint
    choices: Annotated[list[CompletionChoice], Field(min_length=1)]
    usage: Annotated[
        Usage | None, Field(description="Null: another server answered, and did not count.")
    ]


class CompletionChunkChoice(Answer):
    index: Count
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason | None


class CompletionChunk(Answer):
    id: str
    object: Literal["text_completion"]
    created: UnixTime
    model: str
    system_fingerprint: Fingerprint
    choices: list[CompletionChunkChoice]
    usage: Annotated[
        Usage | None,
        Field(description="With `stream_options.include_usage`: null, and whole on the last."),
    ] = None
