"""Answers of /v1/messages and /v1/messages/count_tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from rostra.gateway.schemas.answers.base import Answer, Count

StopReason = Annotated[
    Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"],
    Field(description="`stop_sequence`: at the one that the field of that name holds."),
]


class AnsweredText(Answer):
    type: Literal["text"]
    text: str


class AnsweredThinking(Answer):
    type: Literal["thinking"]
    thinking: str
    signature: Annotated[str, Field(description="Always empty: nothing is signed here.")]


class AnsweredToolUse(Answer):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


ContentBlock = Annotated[
    AnsweredText | AnsweredThinking | AnsweredToolUse,
    Field(discriminator="type"),
]


class OutputTokensDetails(Answer):
    thinking_tokens: Count


class DeltaUsage(Answer):
    input_tokens: Annotated[Count, Field(description="Without those read from the cache.")]
    cache_creation_input_tokens: Count
    cache_read_input_tokens: Count
    output_tokens: Count
    output_tokens_details: OutputTokensDetails


class MessageUsage(DeltaUsage):
    service_tier: Literal["standard"]


class MessageAnswer(Answer):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[ContentBlock]
    stop_reason: Annotated[
        StopReason | None, Field(description="Null in `message_start`, and only there.")
    ]
    stop_sequence: str | None
    usage: MessageUsage


class MessageStart(Answer):
    type: Literal["message_start"]
    message: MessageAnswer


class ContentBlockStart(Answer):
    type: Literal["content_block_start"]
    index: Count
    content_block: ContentBlock


class TextDelta(Answer):
    type: Literal["text_delta"]
    text: str


class ThinkingDelta(Answer):
    type: Literal["thinking_delta"]
    thinking: str


class InputJsonDelta(Answer):
    type: Literal["input_json_delta"]
    partial_json: Annotated[str, Field(description="More of the JSON text of the input.")]


class ContentBlockDelta(Answer):
    type: Literal["content_block_delta"]
    index: Count
    delta: Annotated[TextDelta | ThinkingDelta | InputJsonDelta, Field(discriminator="type")]


class ContentBlockStop(Answer):
    type: Literal["content_block_stop"]
    index: Count


class StopDelta(Answer):
    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(Answer):
    type: Literal["message_delta"]
    delta: StopDelta
    usage: DeltaUsage


class MessageStop(Answer):
    type: Literal["message_stop"]


class MessageEvent(
    RootModel[
        Annotated[
            MessageStart
            | ContentBlockStart
            | ContentBlockDelta
            | ContentBlockStop
            | MessageDelta
            | MessageStop,
            Field(discriminator="type"),
        ]
    ]
):
    """The data of one event, whose name is its `type`."""


class TokenCount(Answer):
    input_tokens: Count


class ErrorDetails(Answer):
    error_code: Annotated[str, Field(description="The reason, for programs to read.")]


class MessagesErrorObject(Answer):
    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "rate_limit_error",
        "api_error",
        "overloaded_error",
        "timeout_error",
    ]
    message: Annotated[str, Field(description="What is wrong and what to do about it.")]
    details: ErrorDetails | None = None


class MessagesError(Answer):
    """The error object of the Messages API."""

    type: Literal["error"]
    error: MessagesErrorObject
    request_id: str
