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
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that is complete now; comments and other fields are left out."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        events = []
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if not line:
                if self._data:
                    events.append(b"\n".join(self._data))
                    self._data, self._size = [], 0
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value)
        if self._size + len(self._rest) > _MOST:
            raise OversizedEventError
        return events
