"""Parts that several answers have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count

FinishReason = Annotated[
    Literal["stop", "length", "tool_calls", "content_filter"],
    Field(
        description="`stop`: by itself or at a stop string. `length`: at `max_tokens` or at the "
        "end of the context. `tool_calls`: the model called tools. `content_filter`: another "
        "server, which is a member, held the rest back."
    ),
]
Fingerprint = Annotated[
    str | None,
    Field(description="Names the weights: the same seed gives the same text while it stays."),
]


class PromptTokensDetails(Answer):
    cached_tokens: Annotated[Count, Field(description="Read from the prefix cache.")]
    audio_tokens: Count


class CompletionTokensDetails(Answer):
    reasoning_tokens: Count
    audio_tokens: Count
    accepted_prediction_tokens: Count
    rejected_prediction_tokens: Count


class Usage(Answer):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
