"""Answers of /v1/chat/completions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count, UnixTime
from rostra.gateway.schemas.answers.common import Fingerprint, FinishReason, Usage

Bytes = Annotated[
    list[Annotated[int, Field(ge=0, le=255)]],
    Field(description="UTF-8 of the token; a character may be spread over several tokens."),
]


class TopLogprob(Answer):
    token: str
    logprob: float
    bytes: Bytes


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(Answer):
    content: list[TokenLogprob]
    refusal: None


class CalledFunction(Answer):
    name: str
    arguments: Annotated[str, Field(description="JSON text.")]


class ToolCall(Answer):
    id: str
    type: Literal["function"]
    function: CalledFunction


ChatFinishReason = (
    FinishReason
    | Annotated[
        Literal["function_call"],
        Field(description="The model called one of `functions`, the old form of tools."),
    ]
)


class ChatMessage(Answer):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: Annotated[list[str], Field(max_length=0)]
    reasoning_content: Annotated[
        str | None, Field(description="What a reasoning model wrote before its answer.")
    ] = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    function_call: Annotated[
        CalledFunction | None, Field(description="Where `functions` were offered, not `tools`.")
    ] = None


class ChatChoice(Answer):
    index: Count
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: ChatFinishReason


class ChatCompletion(Answer):
    id: str
    object: Literal["chat.completion"]
    created: UnixTime
    model: str
    system_fingerprint: Fingerprint
    choices: Annotated[list[ChatChoice], Field(min_length=1)]
    usage: Annotated[
        Usage | None, Field(description="Null: another server answered, and did not count.")
    ]


class FunctionPiece(Answer):
    name: Annotated[str | None, Field(description="On the first piece of a call.")] = None
    arguments: Annotated[str, Field(description="More of the JSON text.")] = ""


class ToolCallPiece(Answer):
    index: Annotated[Count, Field(description="Which call of this choice.")]
    id: Annotated[str | None, Field(description="On the first piece of a call.")] = None
    type: Literal["function"] | None = None
    function: FunctionPiece


class ChatDelta(Answer):
    """What is new since the last chunk of the same choice."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallPiece] | None = None
    function_call: FunctionPiece | None = None


class ChatChunkChoice(Answer):
    index: Count
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: ChatFinishReason | None


class ChatCompletionChunk(Answer):
    id: str
    object: Literal["chat.completion.chunk"]
    created: UnixTime
    model: str
    system_fingerprint: Fingerprint
    choices: list[ChatChunkChoice]
    usage: Annotated[
        Usage | None,
        Field(description="With `stream_options.include_usage`: null, and whole on the last."),
    ] = None
