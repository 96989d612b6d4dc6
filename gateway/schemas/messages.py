"""The turns of a conversation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rostra.gateway.schemas.fields import Hint, Refused, Schema, broken_rule, unsupported


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
            raise unsupported(f"content parts of type '{kind}' are not supported here; send text")
        return value


class FunctionCall(Schema):
    name: Annotated[str, Field(min_length=1)]
    arguments: str


class MessageToolCall(Schema):
    """A call that the assistant made in an earlier turn."""

    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"]
    function: FunctionCall


def _content_kind(value: Any) -> str | None:
    return "<text>" if isinstance(value, str) else "<parts>" if isinstance(value, list) else None


Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[TextPart], Field(min_length=1), Tag("<parts>")],
    Discriminator(
        _content_kind,
        custom_error_type="content_type",
        custom_error_message="Input should be a string or a list of content parts",
    ),
]


class Message(Schema):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: str | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    refusal: Refused = None
    audio: Refused = None
    function_call: Refused = None
    annotations: Refused = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> Message:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise broken_rule("content", "content is required")
        if self.role != "assistant":
            for field in ("tool_calls", "reasoning_content"):
                if getattr(self, field):
                    raise broken_rule(field, f"only the role 'assistant' has {field}")
        if self.role == "tool" and not self.tool_call_id:
            raise broken_rule("tool_call_id", "the role 'tool' needs a tool_call_id")
        if self.role != "tool" and self.tool_call_id:
            raise broken_rule("tool_call_id", "only the role 'tool' has a tool_call_id")
        return self

    @property
    def texts(self) -> list[str]:
        if isinstance(self.content, list):
            return [part.text for part in self.content]
        return [] if self.content is None else [self.content]
