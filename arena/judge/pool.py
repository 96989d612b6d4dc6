"""Work done a bounded number at a time, and given up where it is in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
MOST_IN_A_ROW = 10
"""Failures after which a server is left alone."""


async def bounded(
    items: Iterable[Item], most: int, work: Callable[[Item], Awaitable[None]]
) -> None:
    """`work` for each of `items`, `most` at once, none taken before there is room. The first error
    ends all of it and is raised."""
    source = iter(items)

    async def worker() -> None:
        for item in source:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(most):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


class Patience:
    """With servers by name: lost at once where nothing can help, or after `MOST_IN_A_ROW`."""

    def __init__(self) -> None:
        self._row: dict[str, int] = {}
        self._lost: dict[str, str] = {}

    def why_lost(self, name: str) -> str | None:
        return self._lost.get(name)

    def succeeded(self, name: str) -> None:
        self._row[name] = 0

    def failed(self, name: str, reason: str, *, hopeless: bool) -> None:
        self._row[name] = self._row.get(name, 0) + 1
        if hopeless or self._row[name] >= MOST_IN_A_ROW:
            self._lost.setdefault(name, f"not asked any more: {reason}")
