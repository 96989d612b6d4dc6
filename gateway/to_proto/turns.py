"""From the items of a Responses conversation to the messages of a chat."""

from __future__ import annotations

from collections.abc import Iterable

from rostra.gateway.schemas.response_items import (
    FunctionCallItem,
    FunctionOutputItem,
    MessageItem,
    ReasoningItem,
    SpokenItem,
)
from rostra.gateway.schemas.response_parts import ItemImage, texts_of
from rostra.gateway.to_proto.parts import content_part
from rostra.v1 import chat_pb2

_ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_DEVELOPER,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
}


def chat_messages(items: Iterable[SpokenItem]) -> list[chat_pb2.ChatMessage]:
    """Reasoning, text and calls that follow each other are one turn of the assistant, as they were
    when it made them; a text straight after another is a turn of its own."""
    messages: list[chat_pb2.ChatMessage] = []
    turn: list[SpokenItem] = []
    for item in items:
        if turn and not (_by_assistant(item) and _goes_on(turn, item)):
            messages.append(_turn(turn))
            turn = []
        if _by_assistant(item):
            turn.append(item)
        else:
            messages.append(_other(item))
    return [*messages, _turn(turn)] if turn else messages


def _by_assistant(item: SpokenItem) -> bool:
    if isinstance(item, MessageItem):
        return item.role == "assistant"
    return isinstance(item, FunctionCallItem | ReasoningItem)


def _goes_on(turn: list[SpokenItem], item: SpokenItem) -> bool:
    return not (isinstance(item, MessageItem) and isinstance(turn[-1], MessageItem))


def _turn(items: list[SpokenItem]) -> chat_pb2.ChatMessage:
    said = [item for item in items if isinstance(item, MessageItem)]
    thoughts = [item.text for item in items if isinstance(item, ReasoningItem) and item.text]
    return chat_pb2.ChatMessage(
        role=chat_pb2.ROLE_ASSISTANT,
        content=_parts(part for message in said for part in message.parts),
        tool_calls=[
            chat_pb2.ToolCall(id=item.call_id, name=item.name, arguments=item.arguments)
            for item in items
            if isinstance(item, FunctionCallItem)
        ],
        reasoning="\n".join(thoughts) if thoughts else None,
    )


def _other(item: SpokenItem) -> chat_pb2.ChatMessage:
    if isinstance(item, FunctionOutputItem):
        return chat_pb2.ChatMessage(
            role=chat_pb2.ROLE_TOOL,
            content=_parts(texts_of(item.output)),
            tool_call_id=item.call_id,
        )
    assert isinstance(item, MessageItem)
    return chat_pb2.ChatMessage(role=_ROLES[item.role], content=_parts(item.parts))


def _parts(parts: Iterable[str | ItemImage]) -> list[chat_pb2.ContentPart]:
    return [
        content_part(part) if isinstance(part, str) else content_part(part.image_url, part.detail)
        for part in parts
    ]
