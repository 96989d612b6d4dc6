"""The turns of a conversation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.config import JsonDict

from rostra.gateway.schemas.fields import Hint, Refused, Schema, broken_rule, unsupported
from rostra.gateway.schemas.images import ImageUrlPart
from rostra.gateway.schemas.tools import refuse_custom


class TextPart(Schema):
    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: Hint = None

    @model_validator(mode="before")
    @classmethod
    def _name_other_kinds(cls, value: Any) -> Any:
        if (
            isinstance(value, dict)
            and isinstance(kind := value.get("type"), str)
            and kind != "text"
        ):
            raise unsupported(
                f"content parts of type '{kind}' are not supported here; send text or image_url"
            )
        return value


class RefusalPart(Schema):
    type: Literal["refusal"]
    refusal: str


def _part_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if kind in ("refusal", "image_url") else "<text>"


ContentPart = Annotated[
    Annotated[TextPart, Tag("<text>")]
    | Annotated[RefusalPart, Tag("<refusal>")]
    | Annotated[ImageUrlPart, Tag("<image_url>")],
    Discriminator(_part_kind),
]


class FunctionCall(Schema):
    name: Annotated[str, Field(min_length=1)]
    arguments: str
    parsed_arguments: Hint = None
    """Of the official client, which sends back what it made of `arguments`; `index` of a call and
    `parsed` of a message are so too."""


class MessageToolCall(Schema):
    """A call that the assistant made in an earlier turn."""

    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"]
    function: FunctionCall
    index: Hint = None

    @model_validator(mode="before")
    @classmethod
    def _name_other_kinds(cls, value: Any) -> Any:
        return refuse_custom(value, "calls")


def _content_kind(value: Any) -> str | None:
    return "<text>" if isinstance(value, str) else "<parts>" if isinstance(value, list) else None


Content = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[ContentPart], Field(min_length=1), Tag("<parts>")],
    Discriminator(
        _content_kind,
        custom_error_type="content_type",
        custom_error_message="Input should be a string or a list of content parts",
    ),
]

_OF_THE_ASSISTANT = ("tool_calls", "function_call", "reasoning_content", "refusal")


def _turn(*roles: str, needed: dict[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    """JSON Schema of what the turns of some roles must have, and must not."""
    nothing: dict[str, Any] = {"enum": [None, "", []]}
    return {
        "properties": {"role": {"enum": roles}, **needed, **dict.fromkeys(without, nothing)},
        "required": list(needed),
    }


_SAID = {"content": {"type": ["string", "array"]}}
_NAMED = {"type": "string", "minLength": 1}
_OF_OTHERS = (*_OF_THE_ASSISTANT, "tool_call_id")
_TURNS: JsonDict = {
    "anyOf": [
        _turn("system", "developer", "user", needed=_SAID, without=_OF_OTHERS),
        _turn("assistant", needed=_SAID, without=("tool_call_id",)),
        *(
            _turn("assistant", needed={field: form}, without=("tool_call_id",))
            for field, form in (
                ("tool_calls", {"type": "array", "minItems": 1}),
                ("function_call", {"type": "object"}),
                ("refusal", _NAMED),
            )
        ),
        _turn("tool", needed={**_SAID, "tool_call_id": _NAMED}, without=_OF_THE_ASSISTANT),
        _turn("function", needed={**_SAID, "name": _NAMED}, without=_OF_OTHERS),
    ]
}


class Message(Schema):
    model_config = ConfigDict(json_schema_extra=_TURNS)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content | None = None
    name: str | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    parsed: Hint = None
    audio: Refused = None
    annotations: Refused = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> Message:
        if self.content is None and not (self.tool_calls or self.function_call or self.refusal):
            raise broken_rule("content", "content is required")
        if self.role != "assistant":
            for field in _OF_THE_ASSISTANT:
                if getattr(self, field):
                    raise broken_rule(field, f"only the role 'assistant' has {field}")
        self._check_parts()
        if self.tool_calls and self.function_call:
            raise broken_rule("function_call", "function_call is the old form of tool_calls")
        if self.role == "tool" and not self.tool_call_id:
            raise broken_rule("tool_call_id", "the role 'tool' needs a tool_call_id")
        if self.role != "tool" and self.tool_call_id:
            raise broken_rule("tool_call_id", "only the role 'tool' has a tool_call_id")
        if self.role == "function" and not self.name:
            raise broken_rule("name", "the role 'function' needs a name")
        return self

    def _check_parts(self) -> None:
        for position, part in enumerate(self.content if isinstance(self.content, list) else ()):
            if isinstance(part, RefusalPart) and self.role != "assistant":
                raise broken_rule(f"content[{position}]", "only the role 'assistant' has refusals")
            if isinstance(part, ImageUrlPart) and self.role != "user":
                raise broken_rule(f"content[{position}]", "only the role 'user' has images")

    @property
    def parts(self) -> list[str | ImageUrlPart]:
        """What was said, refusals included, and what was shown."""
        content = [self.content] if isinstance(self.content, str) else self.content or []
        parts = [_said(part) for part in content]
        return [*parts, self.refusal] if self.refusal else parts


def _said(part: str | TextPart | RefusalPart | ImageUrlPart) -> str | ImageUrlPart:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return text
        case _:
            return part
