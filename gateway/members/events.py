"""Server-sent events (WHATWG HTML, section 9.2), read from a member."""

from __future__ import annotations

_MOST = 16 * 2**20
"""Bytes of one event."""
DONE = b"[DONE]"


class OversizedEventError(Exception):
    """An event that has no end in sight."""


class EventReader:
    """Cuts a stream of bytes into the data of its events, wherever its pieces end."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        """Of the line that has no end yet."""
        self._data: list[bytes] = []
        self._size = 0
        """Bytes of both."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that is complete now; comments and other fields are left out.
        Raises OversizedEventError."""
        self._size += len(piece)
        first, *rest = piece.split(b"\n")
        self._begun.append(first)
        events = []
        for begin in rest:
            line = b"".join(self._begun).removesuffix(b"\r")
            self._begun = [begin]
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif not line:
                if self._data:
                    events.append(b"\n".join(self._data))
                self._data, self._size = [], len(begin)
        if self._size > _MOST:
            raise OversizedEventError
        return events
