"""The response object of /v1/responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count, UnixTime
from rostra.gateway.schemas.answers.response_items import ResponseOutputItem


class ResponseErrorObject(Answer):
    code: Literal["server_error", "rate_limit_exceeded"]
    message: str


class ResponseIncompleteDetails(Answer):
    reason: Literal["max_output_tokens", "content_filter"]


class ResponseReasoning(Answer):
    effort: str | None
    summary: str | None


class ResponseTextFormat(Answer):
    type: Literal["text", "json_object"]


class ResponseSchemaFormat(Answer):
    type: Literal["json_schema"]
    name: str
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    description: str | None
    strict: bool


class ResponseText(Answer):
    format: ResponseTextFormat | ResponseSchemaFormat
    verbosity: None


class ResponseFunctionTool(Answer):
    type: Literal["function"]
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool


class ResponseFunctionName(Answer):
    type: Literal["function"]
    name: str


class ResponseAllowedTools(Answer):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[ResponseFunctionName]


class ResponseInputTokensDetails(Answer):
    cached_tokens: Annotated[Count, Field(description="Read from the prefix cache.")]
    cache_write_tokens: Annotated[
        Count, Field(description="Always 0: what is written is not counted.")
    ]


class ResponseOutputTokensDetails(Answer):
    reasoning_tokens: Count


class ResponseUsage(Answer):
    input_tokens: Count
    input_tokens_details: ResponseInputTokensDetails
    output_tokens: Count
    output_tokens_details: ResponseOutputTokensDetails
    total_tokens: Count


class Response(Answer):
    """An answer with the settings it was made with."""

    id: str
    object: Literal["response"]
    created_at: UnixTime
    completed_at: UnixTime | None
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    background: Literal[False]
    error: ResponseErrorObject | None
    incomplete_details: ResponseIncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    model: str
    output: list[ResponseOutputItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: ResponseReasoning
    safety_identifier: str | None
    service_tier: Literal["default"]
    store: Annotated[bool, Field(description="Whether it can be continued and read again.")]
    temperature: float
    text: ResponseText
    tool_choice: Literal["none", "auto", "required"] | ResponseFunctionName | ResponseAllowedTools
    tools: list[ResponseFunctionTool]
    top_logprobs: int
    top_p: float
    truncation: Literal["disabled"]
    usage: Annotated[
        ResponseUsage | None, Field(description="Null before the end, and where that failed.")
    ]
    user: str | None


class DeletedResponse(Answer):
    id: str
    object: Literal["response"]
    deleted: Literal[True]
