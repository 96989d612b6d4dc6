"""The requests that run in this worker, by id, and how all of them come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator

import grpc

from rostra.mesh.worker.engine_stream import EngineStream, shutting_down
from rostra.mesh.worker.status import RpcError, Violation, invalid_argument, unavailable

MAX_ID_LENGTH = 256
END_TIMEOUT = 2.0
"""Seconds for handlers to send their last status once their requests were ended."""


class RunningRequest:
    """One RPC that the engine works on. It may be ended before the engine has its requests."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.aborted = False
        """Whether it was ended before the engine had its requests."""
        self._stream: EngineStream | None = None
        self._error: Exception | None = None

    def attach(self, stream: EngineStream) -> None:
        self._stream = stream
        if self._error is not None:
            stream.fail(self._error)
        elif self.aborted:
            stream.abort()

    def abort(self) -> bool:
        """Ends what has not ended. Returns whether there was anything."""
        if self._stream is not None:
            return self._stream.abort()
        first, self.aborted = not self.aborted, True
        return first

    def fail(self, error: Exception) -> None:
        self._error = error
        if self._stream is not None:
            self._stream.fail(error)


class RunningRequests:
    """All of them. Refuses new ones once it is draining."""

    def __init__(self) -> None:
        self.draining = False
        self._running: dict[str, RunningRequest] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def enter(self, request_id: str | None) -> Iterator[RunningRequest]:
        """Makes an id where there is none. Raises RpcError."""
        if self.draining:
            raise unavailable("draining", "the worker takes no new work")
        if request_id is None:
            request_id = uuid.uuid4().hex
        elif not 0 < len(request_id) <= MAX_ID_LENGTH:
            description = f"must have 1 to {MAX_ID_LENGTH} characters, got {len(request_id)}"
            raise invalid_argument([Violation("request_id", description)])
        if request_id in self._running:
            raise RpcError(
                grpc.StatusCode.ALREADY_EXISTS,
                "request_exists",
                f"a request with the id {request_id!r} is running",
            )
        running = self._running[request_id] = RunningRequest(request_id)
        self._idle.clear()
        try:
            yield running
        finally:
            del self._running[request_id]
            if not self._running:
                self._idle.set()

    def abort(self, request_id: str) -> bool:
        """Whether a request was ended by this call."""
        running = self._running.get(request_id)
        return running is not None and running.abort()

    async def drain(self, grace: float | None) -> int:
        """Waits until all have ended, at most `grace` seconds, and ends the rest UNAVAILABLE.

        Returns how many that were. `draining` is set by the caller, who has others to tell.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace)
        left = list(self._running.values())
        for running in left:
            running.fail(shutting_down())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), END_TIMEOUT)
        return len(left)
