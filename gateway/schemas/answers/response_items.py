"""Items of responses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer
from rostra.gateway.schemas.answers.chat import TokenLogprob

ItemStatus = Annotated[
    Literal["in_progress", "completed", "incomplete"],
    Field(description="`incomplete`: the output was cut off inside the item."),
]


class ResponseOutputText(Answer):
    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[str], Field(max_length=0)]
    logprobs: Annotated[
        list[TokenLogprob],
        Field(description="With `message.output_text.logprobs` in `include`, else empty."),
    ]


class ResponseMessageItem(Answer):
    """What the model says."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: ItemStatus
    content: list[ResponseOutputText]


class ResponseReasoningText(Answer):
    type: Literal["reasoning_text"]
    text: str


class ResponseSummaryText(Answer):
    type: Literal["summary_text"]
    text: str


class ResponseReasoningItem(Answer):
    """What the model thinks before it speaks; no summary of it is made here."""

    id: str
    type: Literal["reasoning"]
    status: ItemStatus
    summary: list[ResponseSummaryText]
    content: list[ResponseReasoningText]


class ResponseFunctionCall(Answer):
    """A function that the model calls."""

    id: str
    type: Literal["function_call"]
    status: ItemStatus
    call_id: Annotated[str, Field(description="For the `function_call_output` to name.")]
    name: str
    arguments: Annotated[str, Field(description="JSON text.")]


class ResponseInputText(Answer):
    type: Literal["input_text"]
    text: str


class ResponseInputMessage(Answer):
    id: str
    type: Literal["message"]
    role: Literal["user", "system", "developer"]
    status: ItemStatus
    content: list[ResponseInputText]


class ResponseFunctionCallOutput(Answer):
    id: str
    type: Literal["function_call_output"]
    status: ItemStatus
    call_id: str
    output: str | list[ResponseInputText]


ResponseOutputItem = ResponseMessageItem | ResponseReasoningItem | ResponseFunctionCall


class ResponseInputItems(Answer):
    """Those that a request added; what it continued is listed by the responses before."""

    object: Literal["list"]
    data: list[ResponseOutputItem | ResponseInputMessage | ResponseFunctionCallOutput]
    first_id: str | None
    last_id: str | None
    has_more: bool
