from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer, binaries

from rostra.arena.contestant import Contestant, Sampling
from rostra.arena.matchmaking import Pair
from rostra.arena.votes.records import EndedAnswer, Ticket
from rostra.arena.votes.store import VoteStore

ARIEL = Contestant(
    name="ariel-7b-q4",
    label="Ariel, terse",
    model="example/Ariel-7B-Instruct",
    system_prompt="Speak as the tempest would.",
    sampling=Sampling(temperature=0.25, max_tokens=314159),
)
PUCK = Contestant(
    name="puck-3b-lora",
    label="Puck, tuned",
    model="example/Puck-3B",
    adapter="puck-mischief",
    aliases=("Robin Goodfellow",),
)


@pytest.fixture(scope="session")
def contestants() -> Pair:
    return Pair(ARIEL, PUCK)


@pytest.fixture
def pair(contestants: Pair) -> Pair:
    return contestants


@pytest.fixture
def votes_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'data' / 'votes.sqlite3'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not installed: apt-get install postgresql-15")
    # Not in pytest's folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="rostra-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer(folder, programs)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def any_store(any_url: str) -> Iterator[VoteStore]:
    store = VoteStore(any_url)
    yield store
    store.close()


@pytest.fixture
def store(votes_url: str) -> Iterator[VoteStore]:
    store = VoteStore(votes_url)
    yield store
    store.close()


@pytest.fixture
def ended_battle(store: VoteStore, pair: Pair) -> Callable[..., Ticket]:
    """Stores a battle whose two answers have ended."""

    def make(address: str = "192.0.2.7", revealed: bool = False) -> Ticket:
        ticket = store.open_battle(pair, "Who are you?", address)
        for side in ("a", "b"):
            answer = EndedAnswer(text=f"answer {side}", seconds=1.5, finish_reason="stop")
            store.end_answer(ticket.battle_id, 0, side, answer, revealed and side == "b")
        return ticket

    return make
