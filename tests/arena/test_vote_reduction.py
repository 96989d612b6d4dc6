from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.database import WRITES, open_database
from rostra.arena.votes.models import Answer, Battle, Vote
from rostra.arena.votes.reduction import FAILED, REVEALED, VoteReader

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
NAMES = ("ariel", "puck", "oberon")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A store of 60 votes, one an hour; every tenth was not blind, and 3 battles failed."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('votes') / 'votes.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    fill(url)
    return url


def voted() -> list[dict]:
    """Votes by number, as they should come out."""
    pairs = [(left, right) for left in NAMES for right in NAMES if left != right]
    return [
        {
            "id": f"{number:032d}",
            "at": START + timedelta(hours=number),
            "voter": f"voter{number % 4}",
            "left": pairs[number % 6][0],
            "right": pairs[number % 6][1],
            "outcome": OUTCOMES[number % 4],
            "revealed": number % 10 == 9,
        }
        for number in range(60)
    ]


def fill(url: str) -> None:
    engine = open_database(url)
    failed = [f"f{number:031d}" for number in range(3)]
    rows = [*voted(), *({**voted()[0], "id": each, "failed": True} for each in failed)]
    battles = [
        {
            "id": row["id"],
            "created_at": row["at"],
            "voter": row["voter"],
            "token_sha256": b"",
            "contestant_a": row["left"],
            "contestant_b": row["right"],
            "settings_a": {},
            "settings_b": {},
            "failed": row.get("failed", False),
            "identity_revealed": row["revealed"],
        }
        for row in rows
    ]
    answers = [
        {
            "battle_id": row["id"],
            "turn": turn,
            "side": side,
            "text": f"# T{turn}\n\n" + "word " * (number % 7 + (side == "a")),
            "completion_tokens": 100 + number if number % 2 else None,
            "seconds": 1.0,
            "ended_at": row["at"],
        }
        for number, row in enumerate(voted())
        for turn in range(2)
        for side in "ab"
    ]
    votes = [
        {
            "battle_id": row["id"],
            "outcome": row["outcome"],
            "turns": 1 + number % 2,
            "at": row["at"],
        }
        for number, row in enumerate(voted())
    ]
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(insert(Battle), battles)
        connection.execute(insert(Answer), answers)
        connection.execute(insert(Vote), votes)
    engine.dispose()


@pytest.fixture
def reader(filled: str) -> Iterator[VoteReader]:
    reader = VoteReader(filled)
    yield reader
    reader.close()


def blind(since: int = 0, until: int = 60) -> list[tuple[str, str, str]]:
    return [
        (row["left"], row["right"], row["outcome"])
        for row in voted()[since:until]
        if not row["revealed"]
    ]


def test_the_database_counts_the_blind_votes(reader: VoteReader) -> None:
    board, provenance = reader.reduce(Wanted())
    assert board.data_hash == Board.from_comparisons(blind()).data_hash
    assert dict(provenance.left_out) == {REVEALED: 6, FAILED: 3}
    assert (provenance.rows_read, provenance.rows_used) == (63, 54)
    assert provenance.first_vote == START.isoformat()
    assert provenance.last_vote == (START + timedelta(hours=58)).isoformat()


def test_by_voter(reader: VoteReader) -> None:
    board, _ = reader.reduce(Wanted(factors=("voter",)))
    assert board.pooled.data_hash == Board.from_comparisons(blind()).data_hash
    assert board.factors["voter"].levels == ("voter0", "voter1", "voter2", "voter3")
    one = [vote for vote, row in zip(voted(), voted(), strict=True) if row["voter"] == "voter1"]
    expected = sum(not row["revealed"] for row in one)
    assert board.where("voter", "voter1").num_votes == expected


def test_by_week(reader: VoteReader) -> None:
    board, _ = reader.reduce(Wanted(factors=("week",)))
    assert board.factors["week"].levels == ("2026-11-02",)
    assert board.pooled.data_hash == Board.from_comparisons(blind()).data_hash


def test_a_window_of_time(reader: VoteReader) -> None:
    since, until = START + timedelta(hours=10), START + timedelta(hours=30)
    for factors in ((), ("week",)):
        board, provenance = reader.reduce(Wanted(factors=factors, since=since, until=until))
        assert board.pooled.data_hash == Board.from_comparisons(blind(10, 30)).data_hash
        assert dict(provenance.left_out) == {
            f"cast before {since.isoformat()}": 10,
            f"cast at {until.isoformat()} or later": 30,
            REVEALED: 2,
        }
        assert provenance.rows_read == provenance.rows_used + 42


def test_style_of_the_turns_that_were_read(reader: VoteReader) -> None:
    board, provenance = reader.reduce(Wanted(style=("length",), bins=None))
    assert board.pooled.data_hash == Board.from_comparisons(blind()).data_hash
    assert provenance.rows_used == 54
    # Even votes have one turn and no count of tokens: a mark, T0 and n or n + 1 words.
    differences = [
        1 / (2 * (2 + 1 + number % 7) + 2) if number % 2 == 0 else 0.0
        for number, row in enumerate(voted())
        if not row["revealed"]
    ]
    x = board.covariates["length"]
    assert len(x) <= 54
    assert x.min() == 0
    ratio = x.max() / x[x > 0].min()
    assert ratio == pytest.approx(max(differences) / min(d for d in differences if d))


def test_what_the_store_does_not_have_is_refused(reader: VoteReader) -> None:
    with pytest.raises(RatingsError, match="the votes carry no category"):
        reader.reduce(Wanted(factors=("category",)))
    with pytest.raises(RatingsError, match="the covariate 'headers' is the same in all votes"):
        reader.reduce(Wanted(style=("headers",)))


def test_the_version_changes_with_a_vote(filled: str, reader: VoteReader) -> None:
    before = reader.version()
    assert reader.version() == before
    engine = open_database(filled)
    last = voted()[-1]
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(delete(Vote).where(Vote.battle_id == last["id"]))
    changed = reader.version()
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(
            insert(Vote).values(battle_id=last["id"], outcome="a", turns=1, at=last["at"])
        )
    engine.dispose()
    assert changed != before


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "vots.sqlite3"
    with pytest.raises(ArenaError, match="there is no such file"):
        VoteReader(f"sqlite:///{path}")
    assert not path.exists()


def test_an_empty_store_has_no_votes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    open_database(url).dispose()
    reader = VoteReader(url)
    for factors in ((), ("week",)):
        with pytest.raises(RatingsError, match="0 votes to rate from in sqlite:///"):
            reader.reduce(Wanted(factors=factors))
    reader.close()
