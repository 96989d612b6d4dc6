"""Votes exported to whoever reads them, as fast as they read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from typing import BinaryIO, cast

from sqlalchemy import Engine

from rostra.arena.votes.transfer.export import Exporter, ExportOptions

PIECE = 256 * 1024
"""Bytes that go out at once."""
PATIENCE = 60.0
"""Seconds for which a reader may take nothing: the database keeps what is replaced meanwhile."""


class ReaderGoneError(Exception):
    """Nobody reads any more."""


class _Pipe:
    """What an exporter writes into, in its thread: as much of a file as it needs."""

    closed = False

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=2)
        self._waiting = bytearray()
        self._written = 0
        self._left = False

    def write(self, data: bytes) -> int:
        self._waiting += data
        self._written += len(data)
        if len(self._waiting) >= PIECE:
            self.flush()
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        piece = bytes(self._waiting)
        self._waiting.clear()
        if piece:
            self._put(piece)

    def end(self) -> None:
        self._put(None)

    async def read(self) -> bytes | None:
        """`None` at the end."""
        return await self._pieces.get()

    def leave(self) -> None:
        """Nobody reads any more: what is written next raises `ReaderGoneError`."""
        self._left = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)

    def _put(self, piece: bytes | None) -> None:
        if self._left:
            raise ReaderGoneError
        putting = asyncio.run_coroutine_threadsafe(self._pieces.put(piece), self._loop)
        try:
            putting.result(PATIENCE)
        except TimeoutError:
            putting.cancel()
            self._loop.call_soon_threadsafe(self.leave)
            raise ReaderGoneError from None


async def exported(engine: Engine, options: ExportOptions) -> AsyncGenerator[bytes, None]:
    """The file in pieces. Whoever closes the generator ends the export.

    Raises what the exporter raises, after the pieces that it had written.
    """
    pipe = _Pipe()

    def write() -> None:
        try:
            Exporter(engine, options).write(cast("BinaryIO", pipe))
            pipe.flush()
        finally:
            pipe.end()

    writing = asyncio.create_task(asyncio.to_thread(write))
    try:
        while (piece := await pipe.read()) is not None:
            yield piece
        await writing
    finally:
        pipe.leave()
        with contextlib.suppress(ReaderGoneError):
            await writing
