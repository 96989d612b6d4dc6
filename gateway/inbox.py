"""What has come of a call and was not passed on yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from rostra.gateway.bundle import Seat

T = TypeVar("T")

_PATIENCE = 0.005
"""Seconds for which messages are collected at most."""
_CAPACITY = 64
"""Messages. The next one is read when these were taken, so a slow reader slows the worker."""


class Bell:
    """Wakes readers together, when a turn of the event loop brought nothing new.

    A gateway with time to spare has such a turn at once. A busy one collects several messages of
    each stream meanwhile, and then wakes, translates and writes once for all of them.
    """

    def __init__(self) -> None:
        self.arrived = 0
        """Messages of all streams; readers count them here."""
        self._heard = 0
        self._until = 0.0
        self._waiting: list[Callable[[], None]] = []

    def ring(self, wake: Callable[[], None]) -> None:
        if not self._waiting:
            self._heard = self.arrived
            self._until = time.monotonic() + _PATIENCE
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append(wake)

    def _turn(self) -> None:
        if self.arrived != self._heard and time.monotonic() < self._until:
            self._heard = self.arrived
            asyncio.get_running_loop().call_soon(self._turn)
            return
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()


class Inbox(Generic[T]):
    """Reads a stream ahead of its reader, as far as there is room.

    With a `seat`, `messages` are its `own_stream`, and all but the last come by its bundle; a few
    more than there is room for, until the worker has heard that it is to wait.
    """

    def __init__(
        self,
        messages: AsyncIterator[T],
        observe: Callable[[T], None],
        bell: Bell,
        seat: Seat | None = None,
    ) -> None:
        self._observe = observe
        self._bell = bell
        self._seat = seat
        self._paused = False
        self._pending: list[T] = []
        self._rung = False
        self._reader: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None
        if seat is not None:
            seat.occupy(self._take_bundled, self._fail)
        self._task = asyncio.create_task(self._fill(messages))

    async def take(self) -> list[T]:
        """Everything that has come, as soon as there is something; empty at the end of the stream.

        Raises what ended the stream instead, once all that came before was taken.
        """
        if not self._rung:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        taken, self._pending = self._pending, []
        if not self._ended:
            self._rung = False
            self._room.set()
            if self._paused:
                self._paused = False
                assert self._seat is not None
                self._seat.resume()
        elif not taken and self._error is not None:
            raise self._error
        return taken

    def close(self) -> None:
        self._task.cancel()
        if self._seat is not None:
            self._seat.leave()

    def _wake(self) -> None:
        self._rung = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _fill(self, messages: AsyncIterator[T]) -> None:
        try:
            async for message in messages:
                self._take(message)
                if len(self._pending) >= _CAPACITY:
                    self._room.clear()
                    await self._room.wait()
        except (Exception, asyncio.CancelledError) as error:
            self._fail(error)
        else:
            self._end()

    def _take(self, message: T) -> None:
        self._observe(message)
        self._pending.append(message)
        self._bell.arrived += 1
        if len(self._pending) == 1:
            self._bell.ring(self._wake)

    def _take_bundled(self, message: T) -> None:
        if self._ended:
            return
        self._take(message)
        if len(self._pending) >= _CAPACITY and not self._paused:
            self._paused = True
            assert self._seat is not None
            self._seat.pause()

    def _fail(self, error: BaseException) -> None:
        if not self._ended:
            self._error = error
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._wake()
