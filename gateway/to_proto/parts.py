"""What is said and shown in a message."""

from __future__ import annotations

from rostra.gateway.schemas.images import Image
from rostra.v1 import chat_pb2


def content_part(part: str | Image, detail: str | None = None) -> chat_pb2.ContentPart:
    """`detail`: how closely an image is looked at."""
    if isinstance(part, str):
        return chat_pb2.ContentPart(text=part)
    return chat_pb2.ContentPart(
        image=chat_pb2.ImagePart(data=part.data, media_type=part.media_type, detail=detail)
    )
