"""Votes go in, ratings come out of a process of its own, which comes back and does not stay."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
import psutil
import pytest
from pydantic import ValidationError

from rostra.arena.app import serve
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import Pair
from rostra.arena.ratings.storage import latest
from rostra.arena.refresh.process import MARK, Rater, Told
from rostra.arena.refresh.refresher import Refresher, job
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.records import Ticket
from rostra.arena.votes.reduction import VoteReader
from rostra.arena.votes.store import VoteStore

PATIENCE = 240
FILES = {"audit.json", "report.html", "posterior.nc", "summary.json", MARK}
Vote = Callable[[int], None]
T = TypeVar("T")


@pytest.fixture
def vote(store: VoteStore, ended_battle: Callable[..., Ticket]) -> Vote:
    """Stores so many votes, half of them for either."""

    def cast(number: int) -> None:
        for at in range(number):
            store.vote(ended_battle(f"192.0.2.{at}"), "a" if at % 2 else "b")

    return cast


@pytest.fixture
def settings(votes_url: str, tmp_path: Path, pair: Pair) -> ArenaSettings:
    return ArenaSettings(
        port=0,
        votes_url=votes_url,
        ratings_dir=tmp_path / "ratings",
        contestants=(pair.a, pair.b),
        refresh=RefreshSettings(interval=0.2),
    )


@asynccontextmanager
async def running(refresher: Refresher) -> AsyncIterator[None]:
    task = asyncio.create_task(refresher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def soon(found: Callable[[], T]) -> T:
    """What `found` gives, when it gives something."""
    while not (value := found()):
        await asyncio.sleep(0.05)
    return value


def votes_in(directory: Path) -> int:
    folder = latest(directory)
    return (
        0 if folder is None else json.loads((folder / "summary.json").read_text())["votes"]["total"]
    )


async def until(told: asyncio.Queue[Told], wanted: Callable[[Told], bool]) -> Told:
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await told.get()):
            pass
    return found


async def test_votes_are_rated_when_there_are_enough_new_ones_or_when_asked(settings, vote):
    vote(4)
    wanted = RefreshSettings(interval=0.2, min_votes=1000)
    told: asyncio.Queue[Told] = asyncio.Queue()
    refresher = Refresher(
        [job(settings.model_copy(update={"refresh": wanted}))], told.put_nowait, first_look=0
    )
    async with running(refresher):
        first = await until(told, lambda told: True)
        assert first.why == "4 new votes, of 1,000 that are waited for"
        for _ in range(3):
            refresher.ask()
        found = await until(told, lambda told: told.rated is not None)
        assert (found.rated, votes_in(settings.ratings_dir)) == (4, 4)
        assert set(os.listdir(found.folder)) >= FILES
        assert (await until(told, lambda told: True)).why == "no new votes"

        # A process that is killed comes back, and knows what has been rated.
        first = refresher.pid
        os.kill(first, signal.SIGKILL)
        found = await until(told, lambda told: told.why != "no new votes")
        assert refresher.pid not in (first, None)
        assert found.why == "0 new votes, of 1,000 that are waited for"
        last = refresher.pid
    assert not psutil.pid_exists(last)


async def test_no_process_where_none_is_wanted(settings):
    off = settings.model_copy(update={"refresh": RefreshSettings(interval=0)})
    assert job(off) is None
    refresher = Refresher([job(off)], first_look=0)
    async with running(refresher):
        refresher.ask()
        await asyncio.sleep(0)
        assert refresher.pid is None


async def test_a_process_that_dies_at_once_is_started_again_later_each_time(settings, caplog):
    command = (sys.executable, "-c", "raise SystemExit(7)")
    refresher = Refresher([job(settings)], first_look=0, command=command)
    async with running(refresher), asyncio.timeout(PATIENCE):
        await soon(lambda: len(caplog.messages) >= 2)
    assert [line.partition(";")[2] for line in caplog.messages[:2]] == [
        " starting it again in 1 s",
        " starting it again in 2 s",
    ]
    assert "the rating process ended with 7" in caplog.text


SERVE = """
import asyncio, sys
import rostra.arena.refresh.refresher as refresher
from rostra.arena.app import serve
from rostra.arena.errors import ArenaError
from rostra.arena.settings import ArenaSettings

refresher.FIRST_LOOK = 0.0
refresher.Refresher.__init__.__defaults__ = (*refresher.Refresher.__init__.__defaults__[:1], 0.0,
                                             refresher.COMMAND)
settings = ArenaSettings.model_validate_json(sys.argv[1])
asyncio.run(serve(settings, lambda url: print(url, flush=True)))
"""


async def test_pages_answer_during_a_fit_and_the_process_dies_with_the_arena(settings, vote):
    vote(4)
    # NUTS compiles first: a fit that takes long enough to look at.
    slow = settings.model_copy(update={"refresh": RefreshSettings(interval=60, engine="nuts")})
    arena = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, slow.model_dump_json(), stdout=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            url = (await arena.stdout.readline()).decode().strip()
            rating = await soon(lambda: next(iter(psutil.Process(arena.pid).children()), None))
            # A library that only fits load.
            await soon(lambda: any("numba" in item.path for item in rating.memory_maps()))
            for path in ("/health", "/leaderboard"):
                async with session.get(url + path) as response:
                    assert response.status == 200
            assert rating.is_running()
            assert votes_in(settings.ratings_dir) == 0
            assert rating.nice() > psutil.Process(arena.pid).nice()
        arena.send_signal(signal.SIGKILL)
        await arena.wait()
        _, alive = psutil.wait_procs([rating], timeout=PATIENCE)
        assert not alive
    finally:
        if arena.returncode is None:
            arena.kill()
            await arena.wait()


async def test_the_arena_ends_its_process_and_does_not_import_what_rates(settings, vote):
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, ready.set_result))
    await asyncio.wait_for(ready, PATIENCE)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, PATIENCE)
    code = (
        "import sys; import rostra.arena.app; "
        "print([m for m in ('pymc', 'pytensor', 'nutpie') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_of_its_own_results_the_oldest_are_deleted_beyond_those_to_keep(settings, vote, tmp_path):
    manual = settings.ratings_dir / "20200101T000000Z-by-hand"
    manual.mkdir(parents=True)
    rater = Rater(settings.votes_url, settings.ratings_dir, RefreshSettings(keep=1))
    folders = []
    for _ in range(2):
        vote(3)
        folders.append(Path(rater.look().folder))
    assert not folders[0].exists()
    assert (folders[1] / MARK).exists()
    assert manual.exists()


def test_a_result_of_other_votes_does_not_count_as_rated(settings, vote):
    vote(3)
    rater = Rater(settings.votes_url, settings.ratings_dir, RefreshSettings(min_votes=3))
    folder = settings.ratings_dir / "20260101T000000Z-of-a-file"
    folder.mkdir(parents=True)
    (folder.parent / "latest").write_text(folder.name)
    for content in ("broken", '{"votes": {"total": 3}, "provenance": {"source": "votes.csv"}}'):
        (folder / "summary.json").write_text(content)
        assert rater._rated_before(VoteReader(settings.votes_url).name) == 0


async def test_a_store_without_votes_is_told_and_looked_at_again(settings, store):
    told: asyncio.Queue[Told] = asyncio.Queue()
    refresher = Refresher([job(settings)], told.put_nowait, first_look=0)
    async with running(refresher):
        for _ in range(2):
            found = await until(told, lambda told: True)
            assert found.why.startswith("0 votes to rate from in sqlite:///")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"by": "language", "voters": True}, "by and voters are different models"),
        ({"style_control": ["charm"]}, "'charm' is no feature of style; there are length"),
        ({"anchor": "nobody"}, "anchor 'nobody' is not NAME=RATING"),
        ({"model": "bradley-terry", "tie_style": ["length"]}, "leave tie_style out"),
        ({"interval": -1}, "greater than or equal to 0"),
        ({"draws": 5}, "greater than or equal to 100"),
        ({"intervall": 5}, "Extra inputs"),
    ],
)
def test_mistakes_are_named(values, line):
    with pytest.raises(ValidationError, match=line):
        RefreshSettings.model_validate(values)


def test_the_options_become_the_model_they_name():
    settings = RefreshSettings(
        model="rao-kupper", side=False, voters=True, anchor="a=b=900", since="2026-11-01T00:00"
    )
    spec = settings.spec()
    assert (spec.ties, spec.side, spec.structure, spec.factor) == (
        "rao-kupper",
        False,
        "voters",
        "voter",
    )
    assert settings.wanted().factors == ("voter",)
    assert settings.wanted().since.isoformat() == "2026-11-01T00:00:00+00:00"
    assert (settings.fit_settings().anchor.name, settings.fit_settings().anchor.rating) == (
        "a=b",
        900.0,
    )


def test_votes_of_other_campaigns_are_not_rated(vote: Vote, settings: ArenaSettings) -> None:
    vote(4)
    chosen = RefreshSettings(campaigns=("spring",))
    rater = Rater(settings.votes_url, settings.ratings_dir, chosen)
    with pytest.raises(ArenaError, match="0 votes to rate"):
        rater.look()
