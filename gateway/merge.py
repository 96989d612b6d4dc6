"""Several streams as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def merged(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """The items of all sources as they come; the order within a source is kept.

    The first error of any source ends all of them. Each source is at most one item ahead of the
    reader, so a slow reader slows them all.
    """
    queue: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=1)

    async def pump(source: AsyncGenerator[T, None]) -> None:
        end = _End()
        try:
            async with aclosing(source):
                async for item in source:
                    await queue.put(item)
        except Exception as error:
            end = _End(error)
        await queue.put(end)

    tasks = [asyncio.create_task(pump(source)) for source in sources]
    try:
        running = len(tasks)
        while running:
            item = await queue.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                running -= 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class _End:
    """Follows the last item of a source."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
