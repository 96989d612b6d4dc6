"""An image as it is stored, served and sent."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Picture:
    media_type: str
    """One that `media_type_of` finds."""
    width: int
    height: int
    data: bytes

    @cached_property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    @cached_property
    def data_url(self) -> str:
        """RFC 2397, in base64."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


def media_type_of(data: bytes) -> str | None:
    """By the first bytes; `None` for what is no PNG, JPEG, WebP or GIF."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return None
