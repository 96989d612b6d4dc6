"""Server-sent events, read from bytes that arrive in any pieces."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    data: str
    event: str = "message"


class EventParser:
    """Incremental parser of an event stream.

    Follows the parsing rules of the HTML Living Standard, section "Server-sent events": UTF-8 with
    an optional byte-order mark; lines end in CR LF, LF or CR; an event ends at an empty line, and
    one that the stream's end cuts off is discarded; comments and unknown fields are ignored. `id`
    and `retry` serve reconnection, which a completion has none of, and are ignored too.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._line = ""
        self._ended_in_cr = False
        self._data: list[str] = []
        self._event = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Events that `chunk` completes, in order."""
        text = self._decoder.decode(chunk)
        if not text:
            return []
        if self._ended_in_cr and text[0] == "\n":
            text = text[1:]
            self._ended_in_cr = False
            if not text:
                return []
        self._ended_in_cr = text[-1] == "\r"
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines:
            self._line += rest
            return []
        lines[0] = self._line + lines[0]
        self._line = rest
        return [event for line in lines if (event := self._take(line)) is not None]

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        return None

    def _dispatch(self) -> Event | None:
        data, event = self._data, self._event or "message"
        self._data, self._event = [], ""
        return Event("\n".join(data), event) if data else None
