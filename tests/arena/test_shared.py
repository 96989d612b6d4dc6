"""Work that many ask for at once is done once, and never given from before it was asked for."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest

from rostra.arena.shared import Shared


class Work:
    """Ends when it is let, with its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.let = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.let.wait()
        if number == 3:
            raise ValueError("the third")
        return number


async def test_who_asks_at_once_shares_and_who_asks_later_does_not() -> None:
    work = Work()
    shared = Shared(work)
    asking = [asyncio.create_task(shared()) for _ in range(20)]
    await asyncio.sleep(0)
    work.let.set()
    assert await asyncio.gather(*asking) == [1] * 20
    assert await shared() == 2
    with pytest.raises(ValueError, match="the third"):
        await shared()
    assert await shared() == 4


async def test_who_goes_away_takes_it_from_nobody() -> None:
    work = Work()
    shared = Shared(work)
    first, second = asyncio.create_task(shared()), asyncio.create_task(shared())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.let.set()
    assert await asyncio.wait_for(second, 30) == 1
    assert first.cancelled()


PAGE: ContextVar[Work] = ContextVar("page")


async def test_nothing_is_kept_of_who_had_it_begun() -> None:
    work, page = Work(), Work()
    work.let.set()
    shared, gone = Shared(work), weakref.ref(page)

    async def ask(page: Work) -> None:
        PAGE.set(page)
        await shared()

    await asyncio.create_task(ask(page))
    del page
    await asyncio.sleep(0)
    gc.collect()
    assert gone() is None
