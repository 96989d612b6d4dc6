"""One engine process and the socket to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Sequence

from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.worker import wire

# -P: the folder the user happens to stand in must not shadow packages.
ENGINE_COMMAND = (sys.executable, "-P", "-m", "rostra.mesh.worker.engine_process")

EXIT_GRACE = 5.0
"""Seconds between closing the socket, which asks the process to end, and SIGKILL."""


class EngineConnection:
    """A running engine process, one rank of an engine. `open` starts it, `close` ends it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.failure: wire.Failed | None = None
        """What the process said of its end, once `events` has come to it."""
        self._process = process
        self._reader = reader
        self._writer = writer
        self._at_end = False

    @classmethod
    async def open(
        cls, config: EngineConfig, place: Place, command: Sequence[str] = ENGINE_COMMAND
    ) -> EngineConnection:
        """Starts `command` with its socket's descriptor as the last argument. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            ours.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        connection = cls(process, reader, writer)
        connection.send(wire.Configure(config, place))
        return connection

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: wire.Command) -> None:
        """Never blocks: what the process has not read yet waits in this process."""
        self._writer.write(wire.encode(command))

    async def events(self) -> AsyncIterator[wire.Event]:
        """Ends when the process does. A `Failed` goes to `failure`."""
        header = wire.HEADER
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = header.unpack(await self._reader.readexactly(header.size))
                event = wire.decode_event(await self._reader.readexactly(length))
                if isinstance(event, wire.Failed):
                    self.failure = event
                else:
                    yield event
        self._at_end = True

    def kill(self) -> None:
        """Ends a process that does not end by itself; `events` ends with it."""
        # One whose events have come to their end is about to be gone, and `kill` asks the system
        # for its exit code first: asyncio, which waits for that too, would never learn it.
        if self._at_end:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> int:
        """Ends the process. Returns its exit code, the negative number of a signal."""
        self._writer.close()
        try:
            return await asyncio.wait_for(self._process.wait(), EXIT_GRACE)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            raise
