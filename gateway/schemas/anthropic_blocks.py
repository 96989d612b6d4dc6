"""The turns of a conversation, as the Messages API of Anthropic writes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    InstanceOf,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from rostra.gateway.schemas.fields import (
    Hint,
    JsonObject,
    Refused,
    Schema,
    only,
    unsupported,
)
from rostra.gateway.schemas.images import MAX_IMAGE_BYTES, MEDIA_TYPES, Image, decoded


class TextBlock(Schema):
    type: Literal["text"]
    text: str
    cache_control: Hint = None
    citations: Refused = None


def _decode(source: Any) -> Image:
    if isinstance(source, Image):
        return source
    if not isinstance(source, dict):
        raise PydanticCustomError("image_source", "Input should be an object with a type")
    kind = source.get("type")
    if kind != "base64":
        raise unsupported(
            f"images are not fetched here (source of type {str(kind)[:64]!r}); "
            "send one of type 'base64'"
        )
    media_type, data = source.get("media_type"), source.get("data")
    if media_type not in MEDIA_TYPES:
        raise unsupported(f"media_type of an image is one of {', '.join(MEDIA_TYPES)}")
    if not isinstance(data, str):
        raise PydanticCustomError("image_source", "data of an image should be a base64 string")
    if others := sorted(set(source) - {"type", "media_type", "data"}):
        raise unsupported(f"{others[0][:64]} is not supported in the source of an image")
    return decoded(media_type, data)


ImageSource = Annotated[
    InstanceOf[Image],
    BeforeValidator(_decode),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "type": {"const": "base64"},
                "media_type": {"enum": list(MEDIA_TYPES)},
                "data": {
                    "type": "string",
                    "pattern": "^[A-Za-z0-9+/]+={0,2}$",
                    "description": f"The image itself, at most {MAX_IMAGE_BYTES} bytes of it.",
                },
            },
            "required": ["type", "media_type", "data"],
            "additionalProperties": False,
        }
    ),
]


class ImageBlock(Schema):
    """For models that take images."""

    type: Literal["image"]
    source: ImageSource
    cache_control: Hint = None


class ThinkingBlock(Schema):
    """Reasoning of an earlier answer, as that had it."""

    type: Literal["thinking"]
    thinking: str
    signature: Hint = None


class RedactedThinkingBlock(Schema):
    """Reasoning that another service has encrypted: nobody here can read it."""

    type: Literal["redacted_thinking"]
    data: Hint


class ToolUseBlock(Schema):
    """A call that the assistant made in an earlier turn."""

    type: Literal["tool_use"]
    id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    input: JsonObject
    cache_control: Hint = None
    caller: Annotated[Any, AfterValidator(only({"type": "direct"}))] = None
    toolset_name: Refused = None


def _kind(value: Any) -> str | None:
    """The tag of a block, be it JSON or a model already."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"<{kind}>" if isinstance(kind, str) else None


def _among(where: str, *kinds: str) -> BeforeValidator:
    """Names a block that is refused by its type, not by its fields."""

    def check(value: Any) -> Any:
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind not in kinds:
            raise unsupported(
                f"blocks of type '{kind[:64]}' are not supported in {where}; "
                f"send {' or '.join(kinds)}"
            )
        return value

    return BeforeValidator(check)


_BLOCK_KIND = Discriminator(
    _kind,
    custom_error_type="block_type",
    custom_error_message="Input should be an object with a type",
)


def _form(value: Any) -> str | None:
    return "<string>" if isinstance(value, str) else "<blocks>" if isinstance(value, list) else None


_CONTENT_FORM = Discriminator(
    _form,
    custom_error_type="content_type",
    custom_error_message="Input should be a string or a list of content blocks",
)

SystemText = Annotated[
    Annotated[str, Tag("<string>")]
    | Annotated[list[Annotated[TextBlock, _among("a system prompt", "text")]], Tag("<blocks>")],
    _CONTENT_FORM,
]


class ToolResultBlock(Schema):
    """What a call of the turn before has given."""

    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(min_length=1)]
    content: (
        Annotated[
            Annotated[str, Tag("<string>")]
            | Annotated[
                list[Annotated[TextBlock, _among("a tool_result", "text")]], Tag("<blocks>")
            ],
            _CONTENT_FORM,
        ]
        | None
    ) = None
    is_error: bool | None = None
    cache_control: Hint = None
    toolset_name: Refused = None


UserBlock = Annotated[
    Annotated[TextBlock, Tag("<text>")]
    | Annotated[ImageBlock, Tag("<image>")]
    | Annotated[ToolResultBlock, Tag("<tool_result>")],
    _BLOCK_KIND,
    _among("messages of the role 'user'", "text", "image", "tool_result"),
]
AssistantBlock = Annotated[
    Annotated[TextBlock, Tag("<text>")]
    | Annotated[ThinkingBlock, Tag("<thinking>")]
    | Annotated[RedactedThinkingBlock, Tag("<redacted_thinking>")]
    | Annotated[ToolUseBlock, Tag("<tool_use>")],
    _BLOCK_KIND,
    _among("messages of the role 'assistant'", "text", "thinking", "redacted_thinking", "tool_use"),
]


class SystemTurn(Schema):
    role: Literal["system"]
    content: SystemText


class UserTurn(Schema):
    role: Literal["user"]
    content: Annotated[
        Annotated[str, Tag("<string>")] | Annotated[list[UserBlock], Tag("<blocks>")],
        _CONTENT_FORM,
    ]

    @property
    def blocks(self) -> list[TextBlock | ImageBlock | ToolResultBlock]:
        if isinstance(self.content, str):
            return [TextBlock(type="text", text=self.content)]
        return list(self.content)


class AssistantTurn(Schema):
    role: Literal["assistant"]
    content: Annotated[
        Annotated[str, Tag("<string>")] | Annotated[list[AssistantBlock], Tag("<blocks>")],
        _CONTENT_FORM,
    ]

    @property
    def blocks(self) -> list[TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock]:
        if isinstance(self.content, str):
            return [TextBlock(type="text", text=self.content)]
        return list(self.content)


def _role(value: Any) -> str | None:
    role = value.get("role") if isinstance(value, dict) else getattr(value, "role", None)
    return f"<{role}>" if isinstance(role, str) else None


Turn = Annotated[
    Annotated[SystemTurn, Tag("<system>")]
    | Annotated[UserTurn, Tag("<user>")]
    | Annotated[AssistantTurn, Tag("<assistant>")],
    Discriminator(
        _role,
        custom_error_type="turn_type",
        custom_error_message="Input should be an object whose role is user, assistant or system",
    ),
]


def texts(content: str | list[TextBlock] | None) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block.text for block in content or ()]
