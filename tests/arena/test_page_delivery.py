"""What a page was told reaches its browser, in order, whenever it was told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bokeh.document import Document
from panel.io import document as panel_document

from rostra.arena.pages.delivery import deliver_all


class Socket:
    """One whose writes end when the test says so."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.writes: list[asyncio.Future[None]] = []


class Protocol:
    def create(self, kind: str, events: Any) -> str:
        return str(events)


class Connection:
    def __init__(self) -> None:
        self.protocol = Protocol()
        self._socket = Socket()


def write(connection: Connection, msg: str) -> list[asyncio.Future[None]]:
    socket = connection._socket
    socket.written.append(msg)
    socket.writes.append(asyncio.get_running_loop().create_future())
    return socket.writes[-1:]


async def turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_message_in_the_turn_in_which_a_writer_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(panel_document.extra_socket_handlers, Socket, write)
    # Whether or not an arena was built in this process before.
    monkeypatch.setattr(panel_document, "_dispatch_msgs", panel_document._dispatch_msgs)
    deliver_all()
    page, connection = Document(), Connection()
    socket = connection._socket
    panel_document.schedule_write_events(page, [connection], ["first"])  # type: ignore[list-item]
    await turns()
    assert socket.written == ["['first']"]
    socket.writes[0].set_result(None)
    # Its writer goes on before the task of the next message begins.
    panel_document.schedule_write_events(page, [connection], ["second"])  # type: ignore[list-item]
    await turns()
    assert socket.written == ["['first']", "['second']"]
    socket.writes[1].set_result(None)
    await turns()
    panel_document.schedule_write_events(page, [connection], ["third"])  # type: ignore[list-item]
    await turns()
    assert socket.written[2:] == ["['third']"]
    socket.writes[2].set_result(None)
    await turns()
    assert page not in panel_document._WRITE_MSGS
    assert page not in panel_document._WRITE_BLOCK
