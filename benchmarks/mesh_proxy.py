"""A network of TCP proxies in this process, for machines that allow no namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from benchmarks.mesh_network import Kind
from benchmarks.servers import free_port

_CHUNK = 65536


class ProxyNetwork:
    """Each gateway reaches each worker through the worker's proxy.

    The kernels of both sides still acknowledge what a cut swallows: a gateway's pings go
    unanswered, but its packets do not go lost.
    """

    kind: Kind = "proxy"

    async def start(self, workers: int) -> None:
        self._proxies = [Proxy(free_port()) for _ in range(workers)]
        for proxy in self._proxies:
            await proxy.start()

    async def close(self) -> None:
        for proxy in self._proxies:
            await proxy.close()

    def listen(self, worker: int) -> str:
        return f"127.0.0.1:{self._proxies[worker].target}"

    def address(self, worker: int) -> str:
        return f"127.0.0.1:{self._proxies[worker].port}"

    def command(self, worker: int) -> Sequence[str]:
        return ()

    async def cut(self, worker: int) -> None:
        self._proxies[worker].cut()

    async def mend(self, worker: int) -> None:
        self._proxies[worker].mend()

    async def reset(self, worker: int) -> None:
        self._proxies[worker].reset()


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
