"""Events of a streamed response; each has the name that is its `type`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from rostra.gateway.schemas.answers.base import Answer, Count
from rostra.gateway.schemas.answers.chat import TokenLogprob
from rostra.gateway.schemas.answers.response_items import (
    ResponseOutputItem,
    ResponseOutputText,
    ResponseReasoningText,
)
from rostra.gateway.schemas.answers.responses import Response


class _Numbered(Answer):
    sequence_number: Annotated[Count, Field(description="From 0, and 1 more for each event.")]


class _OfItem(_Numbered):
    output_index: Annotated[Count, Field(description="Which item of the response.")]
    item_id: str


class _OfPart(_OfItem):
    content_index: Count


class ResponseStatusEvent(_Numbered):
    """Where the whole response stands. The last event of a stream that did not break off is
    `response.completed` or `response.incomplete`."""

    type: Literal[
        "response.created",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ]
    response: Response


class ResponseItemEvent(_Numbered):
    """An item begins, without its content, or is whole."""

    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: Count
    item: ResponseOutputItem


class ResponsePartEvent(_OfPart):
    """A part begins, without its text, or is whole."""

    type: Literal["response.content_part.added", "response.content_part.done"]
    part: ResponseOutputText | ResponseReasoningText


class ResponseTextDelta(_OfPart):
    type: Literal["response.output_text.delta"]
    delta: str
    logprobs: list[TokenLogprob]


class ResponseTextDone(_OfPart):
    type: Literal["response.output_text.done"]
    text: str
    logprobs: list[TokenLogprob]


class ResponseReasoningDelta(_OfPart):
    type: Literal["response.reasoning_text.delta"]
    delta: str


class ResponseReasoningDone(_OfPart):
    type: Literal["response.reasoning_text.done"]
    text: str


class ResponseArgumentsDelta(_OfItem):
    type: Literal["response.function_call_arguments.delta"]
    delta: Annotated[str, Field(description="More of the JSON text.")]


class ResponseArgumentsDone(_OfItem):
    type: Literal["response.function_call_arguments.done"]
    name: str
    arguments: str


class ResponseErrorEvent(_Numbered):
    """The last event of a stream that broke off."""

    type: Literal["error"]
    code: str | None
    message: str
    param: str | None


class ResponseEvent(
    RootModel[
        ResponseStatusEvent
        | ResponseItemEvent
        | ResponsePartEvent
        | ResponseTextDelta
        | ResponseTextDone
        | ResponseReasoningDelta
        | ResponseReasoningDone
        | ResponseArgumentsDelta
        | ResponseArgumentsDone
        | ResponseErrorEvent
    ]
):
    """One event of a stream."""
