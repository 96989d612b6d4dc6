"""Images in messages. They come with the request: the gateway fetches nothing."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, InstanceOf, WithJsonSchema
from pydantic_core import PydanticCustomError

from rostra.gateway.schemas.fields import Schema, unsupported

MAX_IMAGE_BYTES = 5 * 2**20
"""Of one image, decoded."""
_DATA = re.compile(r"data:([\w/+.-]*);base64,", re.IGNORECASE)
_BEGINNINGS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
MEDIA_TYPES = tuple(_BEGINNINGS)
_FORM = "data:image/png;base64,... (or jpeg, gif, webp)"


@dataclass(frozen=True)
class Image:
    """An encoded file."""

    media_type: str
    data: bytes

    @property
    def url(self) -> str:
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


def _decode(url: Any) -> Image:
    if isinstance(url, Image):
        return url
    if not isinstance(url, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    if url[:5].lower() != "data:":
        raise unsupported(f"images are not fetched from addresses here; send {_FORM}")
    match = _DATA.match(url)
    media_type = match[1].lower() if match else ""
    if match is None or media_type not in _BEGINNINGS:
        raise unsupported(f"the image has none of the types that are taken; send {_FORM}")
    return decoded(media_type, url[match.end() :])


def decoded(media_type: str, text: str) -> Image:
    """`media_type`: one of `MEDIA_TYPES`; `text`: base64. Raises PydanticCustomError."""
    if len(text) * 3 // 4 > MAX_IMAGE_BYTES + 2:
        raise _broken(f"the image is larger than {MAX_IMAGE_BYTES} bytes")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _broken("the image is not valid base64") from None
    if not _BEGINNINGS[media_type].match(data):
        raise _broken(f"the image is no {media_type}")
    return Image(media_type, data)


def _broken(message: str) -> PydanticCustomError:
    return PydanticCustomError("broken_image", "{message}", {"message": message})


DataUrl = Annotated[
    InstanceOf[Image],
    BeforeValidator(_decode),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$",
            "description": f"The image itself, at most {MAX_IMAGE_BYTES} bytes of it.",
        }
    ),
]


class ImageUrl(Schema):
    url: DataUrl
    detail: Literal["auto", "low", "high"] | None = None
    """How closely to look."""


class ImageUrlPart(Schema):
    """For models whose `input_modalities` hold `image`."""

    type: Literal["image_url"]
    image_url: ImageUrl
