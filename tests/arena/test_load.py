"""Many voters at one arena: every vote is stored once, and nothing of them is kept afterwards."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bokeh.document import Document

from benchmarks import arena_load, arena_process
from benchmarks.arena_load import Wave
from rostra.arena.app import serve
from rostra.arena.pages.round_view import RoundView
from rostra.arena.round import Round
from rostra.arena.settings import ArenaSettings

VOTERS, ROUNDS = 12, 2
MOST = {"Document": 1, "RoundView": 0, "Round": 0}
"""The document that was served last stays current, empty, until another is."""


@pytest.fixture(autouse=True)
def unheard() -> Iterator[None]:
    """pytest keeps the records of the log, and those of Panel keep the pages that they are of."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ArenaSettings]:
    with arena_process.gateway(pace=2000) as gateway:
        yield arena_process.settings(tmp_path, gateway.url)


@pytest.fixture
async def url(settings: ArenaSettings) -> AsyncIterator[str]:
    """Of an arena in this process, so that what it keeps can be counted."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, ready.set_result))
    yield await asyncio.wait_for(ready, 60)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 60)


def kept() -> dict[str, int]:
    gc.collect()
    # By type, of which there are few. Not by isinstance, which asks what a dead proxy stood for.
    types = Counter(map(type, gc.get_objects()))
    return {
        kind.__name__: sum(number for each, number in types.items() if issubclass(each, kind))
        for kind in (Document, RoundView, Round)
    }


async def test_every_vote_of_many_voters_is_stored_once_and_nothing_else_is_kept(settings, url):
    before = kept()
    seen = await arena_load.run_wave(url, Wave(VOTERS, ROUNDS, arrive=0.5, think=0.05), seed=1)
    assert seen.most_open == VOTERS
    assert seen.outcomes.total() == VOTERS * ROUNDS
    votes, reasons = arena_load.stored(settings)
    assert votes == seen.outcomes
    assert reasons == VOTERS * ROUNDS
    for _ in range(60):
        await asyncio.sleep(0.5)
        more = {kind: number - before[kind] for kind, number in kept().items()}
        # Less than nothing where a test before this one had left what goes meanwhile.
        if all(number <= MOST[kind] for kind, number in more.items()):
            return
    pytest.fail(f"kept {more}")
