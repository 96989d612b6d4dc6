"""Asking a second worker where the first is slow to begin (Dean and Barroso 2013)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rostra.gateway.dispatch import Sent


@dataclass(frozen=True, eq=False)
class Started:
    """A dispatch that has begun to answer, or has ended."""

    sent: Sent
    burst: list[Any]
    """What has come of it."""
    stack: ExitStack
    """Ends it."""


async def first_to_start(
    first: Awaitable[Started], delay: float, second: Callable[[], Awaitable[Started] | None]
) -> Started:
    """The first, or after `delay` seconds of silence whichever of the two begins before the other;
    the other is ended at once. `second` may find that there is nobody to ask.

    Raises what the first raises, where both fail.
    """
    tasks = [asyncio.ensure_future(first)]
    winner = None
    try:
        await asyncio.wait(tasks, timeout=delay)
        if not tasks[0].done() and (other := second()) is not None:
            tasks.append(asyncio.ensure_future(other))
        while winner is None:
            await asyncio.wait(
                [task for task in tasks if not task.done()] or tasks,
                return_when=asyncio.FIRST_COMPLETED,
            )
            winner = next((task for task in tasks if _has_started(task)), None)
            if winner is None and all(task.done() for task in tasks):
                return tasks[0].result()
        return winner.result()
    finally:
        losers = [task for task in tasks if task is not winner]
        for task in losers:
            task.cancel()
        await asyncio.gather(*losers, return_exceptions=True)
        for task in losers:
            if _has_started(task):
                task.result().stack.close()


def _has_started(task: asyncio.Future[Started]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
