"""A network between gateways and workers that can be cut: a TCP proxy in this process."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_CHUNK = 65536


class Proxy:
    """Listens at a port of its own and carries bytes to `target`, a port of this host.

    `cut` is a partition: connections stay, new ones are made, and nothing comes through either way,
    so that only timeouts tell. What was under way comes after `mend`, as from a network that
    retransmits. `reset` is the opposite: every connection ends at once.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._open.set()
        self.reset()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def reset(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self._writers |= both
        try:
            await asyncio.gather(
                self._carry(reader, there_writer), self._carry(there_reader, writer)
            )
        finally:
            for each in both:
                each.transport.abort()
            self._writers -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        # An end on one side is one on both: gRPC has no half-closed connections.
        writer.close()
