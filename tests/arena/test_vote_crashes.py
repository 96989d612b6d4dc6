"""Nothing acknowledged is lost, nothing stands twice and the log is whole, whoever is killed.

`ROSTRA_CRASHES=1000 pytest tests/arena/test_vote_crashes.py` kills as often as that.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import vote_caster
from postgres_server import PostgresServer
from sqlalchemy import text

from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.store import VoteStore

CRASHES = int(os.environ.get("ROSTRA_CRASHES", "15"))
OF_CLIENTS = max(CRASHES // 3, 1)
OF_SERVERS = max(CRASHES // 5, 1)
PER_STORE = 20
"""Crashes of one store: verifying it takes longer with each."""
MOST_WORDS = 8
"""Votes and reasons of one process before it is killed, at some instant of the next."""
MOST_SECONDS = 0.5
PRELOADED = ["pytest", "rostra.arena.votes.store", "sqlalchemy.dialects.sqlite", "psycopg"]
"""What takes a process long to import. A server of forks knows installed modules only, whatever
`sys.path` says here, and is silent about those that it does not find."""
PATIENCE = 120.0
"""Seconds for a process to start on a busy machine."""

pytestmark = pytest.mark.timeout(120 + 20 * CRASHES)


class Caster:
    """A process of `vote_caster`, and what it said."""

    def __init__(self, url: str, seed: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._hears, says = context.Pipe(duplex=False)
        # A daemon ends with the test that started it, however that ends.
        self._process: BaseProcess = context.Process(
            target=vote_caster.cast, args=(url, seed, says), daemon=True
        )
        self._process.start()
        says.close()
        self.said: list[tuple[str, str, str]] = []

    def hear(self, words: int) -> float:
        """Returns after so many; seconds from the word before the last to the last."""
        seconds = 0.0
        for _ in range(words):
            before = time.monotonic()
            assert self._hears.poll(PATIENCE), "nothing was acknowledged"
            self.said.append(self._hears.recv())
            seconds = time.monotonic() - before
        return seconds

    def kill(self) -> None:
        self._process.kill()
        self.listen()

    def listen(self) -> None:
        """To the end of what it says."""
        try:
            while self._hears.poll(PATIENCE):
                self.said.append(self._hears.recv())
        except EOFError:
            self._process.join(PATIENCE)
            assert self._process.exitcode is not None
            return
        pytest.fail("the process does not end")


def crash(url: str, chance: random.Random, kill: Callable[[Caster], None]) -> list:
    """What was acknowledged until `kill`, at a random instant; at times before the first vote."""
    caster = Caster(url, chance.randrange(2**32))
    pace = caster.hear(chance.randrange(MOST_WORDS))
    time.sleep(chance.random() * min(pace, MOST_SECONDS))
    kill(caster)
    return [word for word in caster.said if word[0] != "lost"]


def check(url: str, acknowledged: list[tuple[str, str, str]], crashes: int) -> None:
    store = VoteStore(url)
    try:
        found = verify(store._engine)
        with store._engine.connect() as connection:
            votes = connection.execute(text("SELECT battle_id, outcome FROM votes")).all()
            tags = connection.execute(text("SELECT battle_id, tags FROM vote_reasons")).all()
    finally:
        store.close()
    stored = [("vote", *row) for row in votes]
    stored += [("reasons", battle, tag) for battle, (tag,) in map(_listed, tags)]
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) == len(set(acknowledged))
    assert len(stored) == len(set(stored)) == found.entries
    # Beyond what was acknowledged, what was committed when its process died.
    assert len(stored) - len(acknowledged) <= crashes


def _listed(row: tuple) -> tuple[str, list[str]]:
    battle, tags = row
    return battle, json.loads(tags) if isinstance(tags, str) else tags


def crashes(
    new_url: Callable[[], str], number: int, kill: Callable[[Caster], None], seed: int
) -> int:
    """Returns how many votes and reasons were acknowledged."""
    chance = random.Random(seed)
    total = 0
    acknowledged: list[tuple[str, str, str]] = []
    for crashed in range(number):
        if crashed % PER_STORE == 0:
            url, acknowledged = new_url(), []
        before = len(acknowledged)
        acknowledged += crash(url, chance, kill)
        total += len(acknowledged) - before
        check(url, acknowledged, crashed % PER_STORE + 1)
    return total


def test_a_killed_process_loses_no_acknowledged_vote_of_sqlite(tmp_path: Path) -> None:
    numbers = iter(range(CRASHES))
    total = crashes(
        lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite3'}", CRASHES, Caster.kill, seed=1
    )
    print(f"{CRASHES} crashes, {total} acknowledged")
    assert total >= CRASHES // 2


def test_a_killed_process_loses_no_acknowledged_vote_of_postgresql(
    postgres: PostgresServer,
) -> None:
    total = crashes(postgres.new_database, OF_CLIENTS, Caster.kill, seed=2)
    print(f"{OF_CLIENTS} crashes, {total} acknowledged")
    assert total >= OF_CLIENTS // 2


def test_a_killed_postgresql_loses_no_acknowledged_vote(postgres: PostgresServer) -> None:
    def kill(caster: Caster) -> None:
        postgres.kill()
        try:
            caster.listen()
        finally:
            postgres.start()

    total = crashes(postgres.new_database, OF_SERVERS, kill, seed=3)
    print(f"{OF_SERVERS} crashes, {total} acknowledged")
    assert total >= OF_SERVERS // 2
