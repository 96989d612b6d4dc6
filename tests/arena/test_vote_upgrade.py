"""A store of the first revision, with votes, opened by this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import rostra.arena.votes.migrations
from rostra.arena.votes.database import _create
from rostra.arena.votes.entitlement import digest
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.models import UtcDateTime
from rostra.arena.votes.records import EndedAnswer, Ticket
from rostra.arena.votes.store import VoteStore

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
VOTES = 1_203
"""More than the migration takes at a time."""
OPEN = f"{VOTES:032x}"
"""A battle that nobody has voted on."""
SETTINGS = {"name": "ariel", "sampling": {"seed": 2**62, "temperature": 0.1}}


def first_revision(url: str) -> None:
    engine = _create(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", rostra.arena.votes.migrations.__path__[0])
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = sa.MetaData()
        tables.reflect(connection)
        for name, rows in first_rows().items():
            for column in tables.tables[name].columns:
                if isinstance(column.type, sa.DateTime):
                    column.type = UtcDateTime()
            connection.execute(sa.insert(tables.tables[name]), rows)
    engine.dispose()


def first_rows() -> dict[str, list[dict]]:
    battles = [f"{number:032x}" for number in range(VOTES + 1)]
    return {
        "battles": [
            {
                "id": battle,
                "created_at": START,
                "voter": "someone",
                "token_sha256": digest(f"token {battle}"),
                "contestant_a": "ariel",
                "contestant_b": "puck",
                "settings_a": SETTINGS,
                "settings_b": {},
                "failed": False,
                "identity_revealed": False,
            }
            for battle in battles
        ],
        "turns": [
            {"battle_id": battle, "number": 0, "prompt": "who?", "asked_at": START}
            for battle in battles
        ],
        "answers": [
            {
                "battle_id": battle,
                "turn": 0,
                "side": side,
                "text": f"answer {side}",
                "finish_reason": "stop",
                "first_text_seconds": 0.1 + 0.2,
                "seconds": 1.0,
                "ended_at": START,
            }
            for battle in battles
            for side in "ba"
        ],
        "votes": [
            # Two at each moment, so that the order of the log needs more than the time.
            {
                "battle_id": battle,
                "outcome": "tie",
                "turns": 1,
                "at": START + timedelta(microseconds=(VOTES - number) // 2),
            }
            for number, battle in enumerate(battles[:-1])
        ],
        "voter_salts": [{"day": START.date(), "salt": bytes(32)}],
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VoteStore]:
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("upgrade")
        url = f"sqlite:///{folder / 'votes.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    first_revision(url)
    store = VoteStore(url)
    yield store
    store.close()


def query(store: VoteStore, text: str) -> list[tuple]:
    with store._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(text))]


def test_the_votes_there_were_begin_the_log(upgraded):
    found = verify(upgraded._engine)
    assert found.kinds["vote"] == VOTES
    assert query(upgraded, "SELECT count(*) FROM votes") == [(VOTES,)]
    entered = query(upgraded, "SELECT battle_id FROM log_entries ORDER BY seq")
    assert entered == query(upgraded, "SELECT battle_id FROM votes ORDER BY at, battle_id")
    ((body,),) = query(upgraded, "SELECT body FROM log_entries WHERE seq = 1")
    assert json.loads(body)["contestant_b"] == "puck"
    assert len(json.loads(body)["answers"]) == 2


def test_each_battle_has_a_salt_of_its_own(upgraded):
    salts = {bytes(salt) for (salt,) in query(upgraded, "SELECT text_salt FROM battles")}
    assert {len(salt) for salt in salts} == {16}
    assert len(salts) == VOTES + 1


def test_the_old_rows_are_what_they_were(upgraded):
    assert query(upgraded, "SELECT DISTINCT campaign, mode FROM battles") == [("default", "battle")]
    assert query(upgraded, "SELECT DISTINCT attempt, seconds FROM answers") == [(0, 1.0)]
    battle = upgraded.resume(Ticket(OPEN, f"token {OPEN}"))
    assert battle.settings_a == SETTINGS
    assert [answer.text for answer in battle.answers] == ["answer a", "answer b"]
    assert battle.answers[0].first_text_seconds == 0.1 + 0.2
    assert battle.vote is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE battles SET mode = 'other'",
        "UPDATE battles SET contestant_b = NULL",
        "UPDATE answers SET side = 'c'",
        "UPDATE answers SET side = 'a'",
        "UPDATE answers SET battle_id = 'none'",
        "UPDATE votes SET outcome = 'c'",
        "DELETE FROM battles",
    ],
)
def test_the_old_tables_are_as_strict_as_new_ones(upgraded, statement):
    with upgraded._engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text(statement))


def test_an_upgraded_store_takes_votes(upgraded):
    ticket = Ticket(OPEN, f"token {OPEN}")
    ended = EndedAnswer(text="better", seconds=2.0, finish_reason="stop")
    upgraded.end_answer(OPEN, 0, "a", ended, attempt=1)
    before = verify(upgraded._engine).entries
    upgraded.vote(ticket, "a")
    upgraded.give_reasons(ticket, ["correct"])
    assert verify(upgraded._engine).entries == before + 2
