"""The items of one response, and the events that tell how each of them grows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Protocol

from rostra.gateway.schemas.response_parts import output_text

Event = dict[str, Any]
"""Without its sequence number."""


class OutputItem(Protocol):
    """One item while it grows."""

    def begin(self) -> list[Event]: ...

    def end(self, status: str) -> list[Event]:
        """`status` is `completed`, or `incomplete` where the output was cut off inside the item."""
        ...

    def whole(self, status: str) -> dict[str, Any]: ...


class _TextItem:
    """An item of one part of text; `part` and `item` say what these look like."""

    prefix = ""
    stream = ""

    def __init__(self, index: int) -> None:
        self.id = new_id(self.prefix)
        self._index = index
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def part(self) -> dict[str, Any]:
        raise NotImplementedError

    def item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        raise NotImplementedError

    def whole(self, status: str) -> dict[str, Any]:
        return self.item(status, [self.part()])

    def begin(self) -> list[Event]:
        return [
            added(self._index, self.item("in_progress", [])),
            self._event("response.content_part.added", part=self.part()),
        ]

    def more(self, text: str, **fields: Any) -> Event:
        self._texts.append(text)
        return self._event(f"response.{self.stream}.delta", delta=text, **fields)

    def _end(self, status: str, **fields: Any) -> list[Event]:
        return [
            self._event(f"response.{self.stream}.done", text=self.text, **fields),
            self._event("response.content_part.done", part=self.part()),
            done(self._index, self.whole(status)),
        ]

    def _event(self, kind: str, **fields: Any) -> Event:
        return {
            "type": kind,
            "item_id": self.id,
            "output_index": self._index,
            "content_index": 0,
            **fields,
        }


class MessageOutput(_TextItem):
    """What the model says."""

    prefix = "msg"
    stream = "output_text"

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self._logprobs: list[dict[str, Any]] = []

    def part(self) -> dict[str, Any]:
        return output_text(self.text, list(self._logprobs))

    def item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def say(self, text: str, logprobs: Iterable[dict[str, Any]]) -> Event:
        new = list(logprobs)
        self._logprobs += new
        return self.more(text, logprobs=new)

    def end(self, status: str) -> list[Event]:
        return self._end(status, logprobs=list(self._logprobs))


class ReasoningOutput(_TextItem):
    """What the model thinks before it speaks."""

    prefix = "rs"
    stream = "reasoning_text"

    def part(self) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": self.text}

    def item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "reasoning",
            "status": status,
            "summary": [],
            "content": content,
        }

    def end(self, status: str) -> list[Event]:
        return self._end(status)


class CallOutput:
    """A function that the model calls."""

    def __init__(self, index: int, call_id: str, name: str) -> None:
        self.id = new_id("fc")
        self._index = index
        self._call_id = call_id
        self._name = name
        self._arguments: list[str] = []

    def begin(self) -> list[Event]:
        return [added(self._index, self.whole("in_progress"))]

    def more(self, arguments: str) -> Event:
        self._arguments.append(arguments)
        return self._event("delta", delta=arguments)

    def end(self, status: str) -> list[Event]:
        arguments = "".join(self._arguments)
        return [
            self._event("done", name=self._name, arguments=arguments),
            done(self._index, self.whole(status)),
        ]

    def whole(self, status: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": "".join(self._arguments),
        }

    def _event(self, kind: str, **fields: Any) -> Event:
        return {
            "type": f"response.function_call_arguments.{kind}",
            "item_id": self.id,
            "output_index": self._index,
            **fields,
        }


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def added(index: int, item: dict[str, Any]) -> Event:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: dict[str, Any]) -> Event:
    return {"type": "response.output_item.done", "output_index": index, "item": item}
