"""Campaigns of the store come, change and go in every process; who changed what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from rostra.arena.campaigns import stored
from rostra.arena.campaigns.registry import Campaigns
from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import Pair
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.models import Change
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.store import VoteStore

SPRING = CampaignSettings(name="spring", title="Spring")


@pytest.fixture
def settings(any_url: str, tmp_path: Path) -> ArenaSettings:
    return ArenaSettings(
        votes_url=any_url,
        ratings_dir=tmp_path / "ratings",
        contestants=tuple({"name": name, "model": name} for name in "abc"),
        campaigns=({"name": "of-the-file"},),
    )


@pytest.fixture
def campaigns(settings: ArenaSettings, any_store: VoteStore) -> Campaigns:
    return Campaigns(settings, any_store)


def vote(store: VoteStore, campaign: str) -> None:
    pair = Pair(Contestant(name="a", model="a"), Contestant(name="b", model="b"))
    ticket = store.open_battle(pair, "Why?", "cookie 1", campaign=campaign)
    for side in ("a", "b"):
        store.end_answer(ticket.battle_id, 0, side, EndedAnswer("So.", 1.0, finish_reason="stop"))
    store.vote(ticket, "a")


def changes(store: VoteStore) -> list[tuple]:
    with store.reading() as session:
        rows = session.scalars(select(Change).order_by(Change.id))
        return [(row.who, row.action, row.subject, row.before, row.after) for row in rows]


async def test_campaigns_come_change_and_go(campaigns: Campaigns, any_store: VoteStore) -> None:
    assert [each.name for each in campaigns.all()] == ["default", "of-the-file"]
    told = []
    campaigns.on_change = lambda: told.append([each.name for each in campaigns.all()])
    with any_store.changing() as session:
        version = stored.create(session, "ada", SPRING)
    await campaigns.reload()
    spring = campaigns.get("spring")
    assert (spring.title, spring.base, spring.source) == ("Spring", "/c/spring", "store")
    assert campaigns.default.without == {"of-the-file", "spring"}

    changed = SPRING.model_copy(update={"title": "May", "contestants": ("a", "b")})
    with any_store.changing() as session:
        assert stored.change(session, "ada", changed, version) == 2
    await campaigns.reload()
    assert campaigns.get("spring").title == "May"
    assert campaigns.get("spring").standings is spring.standings
    with any_store.changing() as session:
        stored.delete(session, "ben", "spring", 2)
    await campaigns.reload()
    await campaigns.reload()
    assert campaigns.get("spring") is None
    assert told == [["default", "of-the-file", "spring"]] * 2 + [["default", "of-the-file"]]
    assert [(who, action, subject) for who, action, subject, *_ in changes(any_store)] == [
        ("ada", "create campaign", "spring"),
        ("ada", "change campaign", "spring"),
        ("ben", "delete campaign", "spring"),
    ]
    assert changes(any_store)[1][3]["title"] == "Spring"
    assert changes(any_store)[1][4]["contestants"] == ["a", "b"]


def test_who_saw_an_older_version_changes_nothing(any_store: VoteStore) -> None:
    with any_store.changing() as session:
        stored.create(session, "ada", SPRING)
    with any_store.changing() as session:
        later = SPRING.model_copy(update={"title": "May"})
        assert stored.change(session, "ada", later, 1) == 2
        # What is as it was is no change.
        assert stored.change(session, "ada", later, 2) == 2
    attempts = {
        "somebody else": lambda session: stored.change(session, "ben", SPRING, 1),
        "version 2, you saw 1": lambda session: stored.delete(session, "ben", "spring", 1),
        "any more": lambda session: stored.delete(session, "ben", "autumn", 1),
        "already": lambda session: stored.create(session, "ben", SPRING),
    }
    for line, attempt in attempts.items():
        with pytest.raises(ArenaError, match=line), any_store.changing() as session:
            attempt(session)
    assert [change[0] for change in changes(any_store)] == ["ada", "ada"]


async def test_a_paused_contestant_is_in_no_draw_from_then_on(
    campaigns: Campaigns, any_store: VoteStore
) -> None:
    def drawn(name: str) -> set[str]:
        draws = [campaigns.get(name).matchmaker.draw().pair for _ in range(40)]
        return {each.name for pair in draws for each in (pair.a, pair.b)}

    with any_store.changing() as session:
        assert stored.pause(session, "ada", "of-the-file", "c")
        assert not stored.pause(session, "ada", "of-the-file", "c")
    await campaigns.reload()
    assert drawn("of-the-file") == {"a", "b"}
    assert drawn("default") == {"a", "b", "c"}
    assert [each.name for each in campaigns.get("of-the-file").playing] == ["a", "b"]
    with any_store.changing() as session:
        assert stored.pause(session, "ada", "of-the-file", "b")
    await campaigns.reload()
    assert campaigns.get("of-the-file").matchmaker is None
    with any_store.changing() as session:
        assert stored.resume(session, "ben", "of-the-file", "c")
        assert not stored.resume(session, "ben", "of-the-file", "c")
    await campaigns.reload()
    assert drawn("of-the-file") == {"a", "c"}
    assert [(who, action, subject) for who, action, subject, *_ in changes(any_store)] == [
        ("ada", "pause", "of-the-file/c"),
        ("ada", "pause", "of-the-file/b"),
        ("ben", "resume", "of-the-file/c"),
    ]


async def test_one_that_cannot_be_opened_is_left_out_and_named(
    campaigns: Campaigns, any_store: VoteStore, caplog: pytest.LogCaptureFixture
) -> None:
    for bad in (
        CampaignSettings(name="gone", contestants=("a", "z")),
        CampaignSettings(name="of-the-file"),
        CampaignSettings(name="picture", logo=Path("none.png")),
    ):
        with pytest.raises(ArenaError, match=bad.name):
            campaigns.check(bad)
        with any_store.changing() as session:
            stored.create(session, "ada", bad)
    campaigns.check(SPRING)
    await campaigns.reload()
    await campaigns.reload()
    assert [each.name for each in campaigns.all()] == ["default", "of-the-file"]
    assert set(campaigns.faults) == {"gone", "of-the-file", "picture"}
    assert "'z' is not a [[contestant]]" in campaigns.faults["gone"]
    assert sum("mend or delete it" in line for line in caplog.messages) == 3


async def test_votes_are_counted_up_to_the_target(
    settings: ArenaSettings, any_store: VoteStore
) -> None:
    wanted = {"name": "spring", "target": 2}
    campaigns = Campaigns(settings.model_copy(update={"campaigns": (
        CampaignSettings.model_validate(wanted),)}), any_store)  # fmt: skip
    vote(any_store, "default")
    vote(any_store, "spring")
    await campaigns.reload()
    assert (campaigns.get("spring").progress.votes, campaigns.get("spring").reached) == (1, False)
    vote(any_store, "spring")
    vote(any_store, "spring")
    await campaigns.reload()
    assert (campaigns.get("spring").progress.votes, campaigns.get("spring").reached) == (2, True)
    # What each leaderboard would be computed from.
    numbers = {each.name: each.number_of_votes(any_store) for each in campaigns.all()}
    assert numbers == {"default": 1, "spring": 3}
