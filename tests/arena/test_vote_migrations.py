from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from rostra.arena.errors import ArenaError
from rostra.arena.votes.database import open_database
from rostra.arena.votes.models import Base
from rostra.arena.votes.store import VoteStore


def open_and_count(url: str) -> int:
    store = VoteStore(url)
    try:
        return store.counts().battles
    finally:
        store.close()


def test_migrations_make_exactly_the_tables_of_the_models(any_url):
    engine = open_database(any_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_database_outlives_the_process_that_wrote_it(store, votes_url, ended_battle):
    store.vote(ended_battle(), "b")
    store.close()
    again = VoteStore(votes_url)
    assert [row.outcome for row in again.comparisons()] == ["b"]
    again.close()


def test_processes_that_create_the_store_at_once_all_succeed(votes_url):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        counts = [processes.submit(open_and_count, votes_url) for _ in range(4)]
        assert [future.result(60) for future in counts] == [0] * 4


def test_sqlite_is_durable_and_refuses_broken_references(votes_url):
    engine = open_database(votes_url)
    with engine.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_store_of_a_newer_version_is_left_alone(store, votes_url):
    store.close()
    with closing(sqlite3.connect(votes_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(ArenaError, match="newer Rostra"):
        VoteStore(votes_url)


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "nosuchdb://host/votes"])
def test_unusable_url_is_one_clear_line(url):
    with pytest.raises(ArenaError, match="votes_url") as caught:
        VoteStore(url)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_database_is_one_clear_line(tmp_path: Path):
    path = tmp_path / "votes.sqlite3"
    path.write_text("this is no database, but long enough to be looked at as one" * 20)
    with pytest.raises(ArenaError, match="cannot open the vote store") as caught:
        VoteStore(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)
