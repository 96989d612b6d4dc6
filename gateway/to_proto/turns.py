"""From the items of a Responses conversation to the messages of a chat."""

from __future__ import annotations

from collections.abc import Iterable

from rostra.gateway.schemas.response_items import (
    FunctionCallItem,
    FunctionOutputItem,
    MessageItem,
    ReasoningItem,
    SpokenItem,
    texts_of,
)
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
    turn: chat_pb2.ChatMessage | None = None
    before: SpokenItem | None = None
    for item in items:
        if not _by_assistant(item):
            turn = None
            messages.append(_other(item))
        else:
            if turn is None or (_is_text(item) and _is_text(before)):
                turn = chat_pb2.ChatMessage(role=chat_pb2.ROLE_ASSISTANT)
                messages.append(turn)
            _add(turn, item)
        before = item
    return messages


def _by_assistant(item: SpokenItem) -> bool:
    if isinstance(item, MessageItem):
        return item.role == "assistant"
    return isinstance(item, FunctionCallItem | ReasoningItem)


def _is_text(item: SpokenItem | None) -> bool:
    return isinstance(item, MessageItem)


def _add(turn: chat_pb2.ChatMessage, item: SpokenItem) -> None:
    if isinstance(item, MessageItem):
        turn.content.extend(_parts(texts_of(item.content)))
    elif isinstance(item, FunctionCallItem):
        turn.tool_calls.add(id=item.call_id, name=item.name, arguments=item.arguments)
    elif isinstance(item, ReasoningItem) and item.text:
        turn.reasoning += f"\n{item.text}" if turn.reasoning else item.text


def _other(item: SpokenItem) -> chat_pb2.ChatMessage:
    if isinstance(item, FunctionOutputItem):
        return chat_pb2.ChatMessage(
            role=chat_pb2.ROLE_TOOL,
            content=_parts(texts_of(item.output)),
            tool_call_id=item.call_id,
        )
    assert isinstance(item, MessageItem)
    return chat_pb2.ChatMessage(role=_ROLES[item.role], content=_parts(texts_of(item.content)))


def _parts(texts: Iterable[str]) -> list[chat_pb2.ContentPart]:
    return [chat_pb2.ContentPart(text=text) for text in texts]
