"""What Prometheus reads of an arena."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rostra.arena.app import serve
from rostra.arena.errors import ArenaError
from rostra.arena.metrics import metrics_listener
from rostra.arena.refresh.process import Told
from rostra.arena.settings import ArenaSettings
from rostra.arena.state import Arena


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(votes_url, tmp_path, pair) -> ArenaSettings:
    return ArenaSettings(
        port=0,
        votes_url=votes_url,
        ratings_dir=tmp_path,
        contestants=(pair.a, pair.b),
        metrics=f"127.0.0.1:{free_port()}",
    )


async def scrape(settings: ArenaSettings) -> dict[tuple[str, ...], float]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{settings.metrics}/metrics") as response,
    ):
        text = await response.text()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_votes_and_ratings_are_told(settings, ended_battle):
    arena = Arena.open(settings, None)
    try:
        with metrics_listener(arena):
            before = await scrape(settings)
            assert before["rostra_arena_votes_total",] == 0
            assert before["rostra_arena_rounds",] == 0
            assert before["process_open_fds",] > 0
            arena.store.vote(ended_battle(), "a")
            arena.refresher._hear(Told("spring", rated=7, folder="x"))
            rated = await scrape(settings)
            arena.refresher._hear(Told("spring", why="no new votes"))
            after = await scrape(settings)
    finally:
        arena.figures.close()
        arena.store.close()
    assert rated["rostra_arena_votes_total",] == 1
    assert rated["rostra_arena_rated_votes", "spring"] == 7
    look, last = ("rostra_arena_last_look_timestamp_seconds", "spring"), "last_rated"
    assert rated[look] == rated[f"rostra_arena_{last}_timestamp_seconds", "spring"]
    assert after[look] > rated[look]
    assert after[f"rostra_arena_{last}_timestamp_seconds", "spring"] == rated[look]
    with pytest.raises(aiohttp.ClientConnectorError):
        await scrape(settings)


async def test_the_pages_have_none(settings):
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, ready.set_result))
    url = await asyncio.wait_for(ready, 60)
    assert ("rostra_arena_votes_total",) in await scrape(settings)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        assert response.status == 404
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 60)


async def test_an_address_that_is_taken_is_one_clear_line(settings):
    with socket.socket() as taken:
        host, port = settings.metrics.split(":")
        taken.bind((host, int(port)))
        taken.listen()
        with pytest.raises(ArenaError, match=f"cannot offer metrics on {settings.metrics}"):
            await serve(settings)
