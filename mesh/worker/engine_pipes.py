"""The engine's ends of the socket to the server: commands come in, events go out, each in a thread
of its own."""

from __future__ import annotations

import os
import queue
import socket
import threading

from rostra.mesh.worker import wire
from rostra.mesh.worker.adapter_desk import Prepared
from rostra.mesh.worker.grammar_desk import Compiled

HEARTBEAT_INTERVAL = 0.5

Taken = wire.Command | Prepared | Compiled


class Outbox:
    """Sends events from a thread of its own, so that a slow reader never holds up a step.

    When nothing was sent for `HEARTBEAT_INTERVAL` seconds it sends a heartbeat.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.busy_since: float | None = None
        self._connection = connection
        self._events: queue.SimpleQueue[wire.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, event: wire.Event) -> None:
        self._events.put(event)

    def flush(self, timeout: float) -> None:
        """Sends what is left and ends; gives up after `timeout` seconds."""
        self._events.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                event = self._events.get(timeout=HEARTBEAT_INTERVAL)
            except queue.Empty:
                event = wire.Heartbeat(self.busy_since)
            if event is None:
                return
            try:
                self._connection.sendall(wire.encode(event))
            except OSError:
                # The server is gone; the thread that reads commands ends the process.
                return


class Inbox:
    """Reads commands in a thread, and ends the process when the server is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")
        first = wire.read_frame(self._file)
        if first is None:
            os._exit(0)
        command = wire.decode_command(first)
        if not isinstance(command, wire.Configure):
            raise RuntimeError("the first command was not Configure")
        self.setup = command
        self._commands: queue.SimpleQueue[Taken] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="inbox", daemon=True).start()

    def put(self, command: Prepared | Compiled) -> None:
        """From a thread of this process."""
        self._commands.put(command)

    def take(self, *, wait: bool) -> list[Taken]:
        """All commands that have arrived; with `wait` at least one."""
        taken = [self._commands.get()] if wait else []
        while not self._commands.empty():
            taken.append(self._commands.get())
        return taken

    def _run(self) -> None:
        try:
            while (body := wire.read_frame(self._file)) is not None:
                self._commands.put(wire.decode_command(body))
        except OSError:
            pass
        # Not sys.exit: a step in progress must not keep a process alive that nobody reads.
        os._exit(0)
