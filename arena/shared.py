"""One piece of work for all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Shared(Generic[Value]):
    """`work` as one call of it at a time, whose result all get who come before it ends.

    A result is as old as the call that gave it: who comes after its end has it done anew. Who goes
    away while it is done takes it from nobody else.
    """

    def __init__(self, work: Callable[[], Awaitable[Value]]) -> None:
        self._work = work
        self._running: asyncio.Task[Value] | None = None

    async def __call__(self) -> Value:
        """Raises what `work` raises, to each who waits for it."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(self._running)

    async def _run(self) -> Value:
        try:
            return await self._work()
        finally:
            # A task that has ended keeps its context, and with it the page of who had it begun.
            self._running = None
