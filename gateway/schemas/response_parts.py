"""What the items of a Responses conversation are made of: texts and images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag

from rostra.gateway.schemas.fields import Hint, Refused, Schema, unsupported
from rostra.gateway.schemas.images import DataUrl

_TEXT_PARTS = ("input_text", "output_text")


def _known_part(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind not in _TEXT_PARTS:
        raise unsupported(
            f"content parts of type '{kind}' are not supported here; send text, or "
            "input_image in a user's message"
        )
    return value


class ItemText(Schema):
    type: Literal["input_text", "output_text"]
    text: str
    annotations: Hint = None
    logprobs: Hint = None
    parsed: Hint = None
    """Client libraries read it from `text`; it says nothing more."""
    prompt_cache_breakpoint: Hint = None


class ItemImage(Schema):
    """For models that take images."""

    type: Literal["input_image"]
    file_id: Refused = None
    image_url: DataUrl
    detail: Literal["auto", "low", "high"] | None = None
    prompt_cache_breakpoint: Hint = None

    def listed(self) -> dict[str, Any]:
        return {
            "type": "input_image",
            "image_url": self.image_url.url,
            "detail": self.detail or "auto",
        }


def _text_or_parts(value: Any) -> str | None:
    return "<text>" if isinstance(value, str) else "<parts>" if isinstance(value, list) else None


Texts = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[Annotated[ItemText, BeforeValidator(_known_part)]], Tag("<parts>")],
    Discriminator(
        _text_or_parts,
        custom_error_type="content_type",
        custom_error_message="Input should be a string or a list of content parts",
    ),
]


def _part_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "<input_image>" if kind == "input_image" else "<text>"


Parts = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[
        list[
            Annotated[
                Annotated[ItemText, BeforeValidator(_known_part), Tag("<text>")]
                | Annotated[ItemImage, Tag("<input_image>")],
                Discriminator(_part_kind),
            ]
        ],
        Tag("<parts>"),
    ],
    Discriminator(
        _text_or_parts,
        custom_error_type="content_type",
        custom_error_message="Input should be a string or a list of content parts",
    ),
]


def texts_of(content: str | list[ItemText]) -> list[str]:
    return [content] if isinstance(content, str) else [part.text for part in content]


def output_text(text: str, logprobs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}
