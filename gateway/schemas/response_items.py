"""Items of a Responses conversation, as requests carry them and as the API lists them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from rostra.gateway.schemas.fields import Hint, Refused, Schema, broken_rule, only, unsupported
from rostra.gateway.schemas.response_parts import (
    ItemImage,
    ItemText,
    Parts,
    Texts,
    output_text,
    texts_of,
)

Status = Literal["in_progress", "completed", "incomplete"]
ItemId = Annotated[str, Field(min_length=1, max_length=256)]
CallId = Annotated[str, Field(min_length=1, max_length=256)]
Caller = Annotated[Any, AfterValidator(only({"type": "direct"}))]


class MessageItem(Schema):
    """Something that was said."""

    prefix: ClassVar[str] = "msg"

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts
    id: ItemId | None = None
    status: Status | None = None
    phase: Refused = None

    @model_validator(mode="after")
    def _shown_by_the_user(self) -> MessageItem:
        for position, part in enumerate(self.parts):
            if isinstance(part, ItemImage) and self.role != "user":
                raise broken_rule(f"content[{position}]", "only the role 'user' has images")
        return self

    @property
    def parts(self) -> list[str | ItemImage]:
        """What was said, and what was shown."""
        if isinstance(self.content, str):
            return [self.content]
        return [part.text if isinstance(part, ItemText) else part for part in self.content]

    def listed(self, item_id: str) -> dict[str, Any]:
        parts = [
            part.listed()
            if isinstance(part, ItemImage)
            else output_text(part)
            if self.role == "assistant"
            else {"type": "input_text", "text": part}
            for part in self.parts
        ]
        return {
            "id": item_id,
            "type": "message",
            "role": self.role,
            "status": self.status or "completed",
            "content": parts,
        }


class FunctionCallItem(Schema):
    """A call that the model made."""

    model_config = ConfigDict(populate_by_name=True)
    prefix: ClassVar[str] = "fc"

    type: Literal["function_call"]
    call_id: CallId
    name: Annotated[str, Field(min_length=1)]
    arguments: str
    id: ItemId | None = None
    status: Status | None = None
    parsed_arguments: Hint = None
    """Client libraries read it from `arguments`."""
    caller: Caller = None
    namespace: Refused = None
    async_: Annotated[bool | None, AfterValidator(only(False)), Field(alias="async")] = None

    def listed(self, item_id: str) -> dict[str, Any]:
        return {
            "id": item_id,
            "type": "function_call",
            "status": self.status or "completed",
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments,
        }


class FunctionOutputItem(Schema):
    """What a called function returned."""

    prefix: ClassVar[str] = "fco"

    type: Literal["function_call_output"]
    call_id: CallId
    output: Texts
    id: ItemId | None = None
    status: Status | None = None
    name: Hint = None
    """Of the function: the call itself has it."""
    created_by: Hint = None
    caller: Caller = None
    namespace: Refused = None

    def listed(self, item_id: str) -> dict[str, Any]:
        output: Any = self.output
        if not isinstance(output, str):
            output = [{"type": "input_text", "text": text} for text in texts_of(output)]
        return {
            "id": item_id,
            "type": "function_call_output",
            "status": self.status or "completed",
            "call_id": self.call_id,
            "output": output,
        }


class SummaryText(Schema):
    type: Literal["summary_text"]
    text: str


class ReasoningText(Schema):
    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(Schema):
    """What the model thought before it spoke."""

    prefix: ClassVar[str] = "rs"

    type: Literal["reasoning"]
    summary: list[SummaryText] = Field(default_factory=list)
    content: list[ReasoningText] | None = None
    id: ItemId | None = None
    status: Status | None = None
    encrypted_content: Refused = None

    @property
    def text(self) -> str:
        """The thoughts themselves, or else their summary."""
        return "\n".join(part.text for part in self.content or self.summary)

    def listed(self, item_id: str) -> dict[str, Any]:
        return {
            "id": item_id,
            "type": "reasoning",
            "status": self.status or "completed",
            "summary": [part.model_dump() for part in self.summary],
            "content": [part.model_dump() for part in self.content or ()],
        }


class ItemReference(Schema):
    """Stands for an item of a stored response."""

    type: Literal["item_reference"] | None = None
    id: ItemId


_KINDS = ("message", "function_call", "function_call_output", "reasoning", "item_reference")


def _known_item(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind not in _KINDS:
        raise unsupported(f"items of type '{kind}' are not supported here")
    return value


def _item_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    if value.get("type") is None:
        return "<item_reference>" if "id" in value and "role" not in value else "<message>"
    return f"<{value['type']}>"


SpokenItem = MessageItem | FunctionCallItem | FunctionOutputItem | ReasoningItem
"""One with a content of its own."""

InputItem = Annotated[
    Annotated[MessageItem, Tag("<message>")]
    | Annotated[FunctionCallItem, Tag("<function_call>")]
    | Annotated[FunctionOutputItem, Tag("<function_call_output>")]
    | Annotated[ReasoningItem, Tag("<reasoning>")]
    | Annotated[ItemReference, Tag("<item_reference>")],
    Discriminator(
        _item_kind,
        custom_error_type="item_type",
        custom_error_message="Input should be an item: an object with a type, or a message",
    ),
    BeforeValidator(_known_item),
]


MAX_ITEMS = 10_000
"""In one request. What it goes on from counts for itself."""


def _string_or_items(value: Any) -> str | None:
    return "<text>" if isinstance(value, str) else "<items>" if isinstance(value, list) else None


Input = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[InputItem], Field(max_length=MAX_ITEMS), Tag("<items>")],
    Discriminator(
        _string_or_items,
        custom_error_type="input_type",
        custom_error_message="Input should be a string or a list of items",
    ),
]
