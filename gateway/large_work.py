"""Work on large bodies, where it does not hold up everybody's streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_LARGE = 64 * 1024
"""Bytes of a body above which what is done with it has a thread: some milliseconds' work."""
# Each thread that works takes as much of the interpreter as the event loop has, and holds one
# body's objects, which are many times its size.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="large-work")

T = TypeVar("T")


async def beside_the_loop(body_bytes: int, work: Callable[[], T]) -> T:
    """Does `work`, whose time grows with the body that it is done on."""
    return work() if body_bytes <= _LARGE else await in_thread(work)


async def in_thread(work: Callable[[], T]) -> T:
    """Does `work` whose time is not known from the body."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
