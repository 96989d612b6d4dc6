"""Each campaign's votes are counted, rated and published apart, by one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.refresh import process
from rostra.arena.refresh.process import Job, Order, Told
from rostra.arena.votes.database import open_existing
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.reduction import OTHER_CAMPAIGN, VoteReader
from rostra.arena.votes.statistics import VoteStatistics
from rostra.arena.votes.store import VoteStore
from rostra.mesh.cli.rate import _published

PAIR = Pair(Contestant(name="a", model="a"), Contestant(name="b", model="b"))


def vote(store: VoteStore, campaign: str, mode: str = "battle") -> None:
    ticket = store.open_battle(PAIR, "Why?", "cookie 1", campaign=campaign, mode=mode)
    for side in ("a", "b"):
        store.end_answer(ticket.battle_id, 0, side, EndedAnswer("So.", 1.0, finish_reason="stop"))
    store.vote(ticket, "a")


@pytest.fixture
def voted(store: VoteStore, votes_url: str) -> str:
    """Three votes of `spring`, one of them not blind, two of `default`, one of an import."""
    for campaign in ("spring", "default", "spring", "default", "old-log"):
        vote(store, campaign)
    vote(store, "spring", "side_by_side")
    return votes_url


def rated(url: str, *campaigns: str, without: tuple[str, ...] = ()) -> tuple[int, int]:
    """Votes that are rated, and votes that are left out as another campaign's."""
    reader = VoteReader(url, campaigns, without=without)
    try:
        board, provenance = reader.reduce(Wanted())
    finally:
        reader.close()
    return board.num_votes, dict(provenance.left_out).get(OTHER_CAMPAIGN, 0)


def test_votes_are_rated_in_their_campaign_alone(voted: str) -> None:
    assert rated(voted, "spring") == (2, 3)
    assert rated(voted, without=("spring",)) == (3, 3)
    assert rated(voted) == (5, 0)
    assert rated(voted, "spring", "default", without=("default",)) == (2, 3)


def test_statistics_are_of_the_campaigns_that_are_asked_for(voted: str) -> None:
    engine = open_existing(voted)
    found = VoteStatistics.of(engine, ["spring"])
    assert (found.battles, found.rated) == ({"battle": 2, "side_by_side": 1}, 2)
    assert (found.votes["a"], sum(found.days.values())) == (3, 3)
    assert found.campaigns == {"spring": (3, 3)}
    assert (found.contestants["a"].won, found.contestants["b"].lost) == (3, 3)
    whole = VoteStatistics.of(engine)
    assert whole.campaigns == {"default": (2, 2), "old-log": (1, 1), "spring": (3, 3)}
    assert sum(whole.votes.values()) == whole.log_seq == found.log_seq == 6
    engine.dispose()


def test_ratings_of_a_campaign_are_published_where_its_leaderboard_looks() -> None:
    ratings = Path("ratings")
    assert _published(ratings, ["spring"]) == ratings / "campaigns" / "spring"
    for campaigns in ([], ["default"], ["spring", "autumn"]):
        assert _published(ratings, campaigns) == ratings


class ScriptedRater:
    interval = 60.0
    looks: list[tuple[str, bool]] = []  # noqa: RUF012 - emptied by each test

    def __init__(self, job: Job) -> None:
        self.name = job.campaign

    def look(self, asked: bool) -> Told:
        self.looks.append((self.name, asked))
        return Told(why="no new votes")


def test_campaigns_take_turns_and_who_asks_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_rater", ScriptedRater)
    ScriptedRater.looks.clear()
    jobs = [Job(name, "sqlite:///x", name, "{}") for name in ("one", "two", "three")]
    desk = process._Desk()
    assert desk.seconds is None
    desk.take(Order(jobs=tuple(jobs[:2])))
    while desk.seconds == 0.0:
        assert desk.look().campaign == ScriptedRater.looks[-1][0]
    assert ScriptedRater.looks == [("one", False), ("two", False)]
    assert 59 < desk.seconds <= 60

    desk.take(Order(now="two"))
    desk.take(Order(now="two"))
    desk.take(Order(now="nobody"))
    assert desk.seconds == 0.0
    desk.look()
    # A new one is looked at, one that was there keeps its turn, and one that is gone has none.
    desk.take(Order(jobs=(jobs[1], jobs[2])))
    desk.look()
    assert ScriptedRater.looks[2:] == [("two", True), ("three", False)]
    assert 59 < desk.seconds <= 60
    desk.take(Order(jobs=()))
    assert desk.seconds is None
