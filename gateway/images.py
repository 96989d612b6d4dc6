"""Images in conversations, which a model may take or not."""

from __future__ import annotations

from typing import Any

from rostra.v1 import chat_pb2, inference_pb2

NO_IMAGES = "the model takes no images"


def first_image(request: Any) -> str | None:
    """The field of the first image that a request holds."""
    match request:
        case chat_pb2.ChatRequest():
            chat, prefix = request, ""
        case inference_pb2.TokenizeRequest():
            chat, prefix = request.chat, "chat."
        case _:
            return None
    for number, message in enumerate(chat.messages):
        for place, part in enumerate(message.content):
            if part.HasField("image"):
                return f"{prefix}messages[{number}].content[{place}].image"
    return None
