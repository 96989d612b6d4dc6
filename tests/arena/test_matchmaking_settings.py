"""From `[arena.matchmaking]` to a policy on the votes of a store."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from matchmaking_fields import FIELD, drawn, no_votes

from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import Pair
from rostra.arena.matchmaking.build import open_policy
from rostra.arena.matchmaking.evidence import by_contestant, by_pair, of_store
from rostra.arena.matchmaking.weighted import PULL
from rostra.arena.ratings.board import Board
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.store import VoteStore
from rostra.mesh.cli.config import checked
from rostra.mesh.errors import RostraError


def settings(votes_url: str = "sqlite:///votes.sqlite3", **matchmaking: object) -> ArenaSettings:
    table = {
        "votes_url": votes_url,
        "ratings_dir": Path("no-ratings"),
        "contestants": [{"name": each.name, "model": "m"} for each in FIELD],
        "matchmaking": matchmaking,
    }
    return checked(ArenaSettings, table, "[arena]")


@pytest.mark.parametrize(
    ("matchmaking", "line"),
    [
        ({"policy": "elo"}, "matchmaking.policy: Input should be 'uniform', 'weighted'"),
        ({"wieghts": {}}, "matchmaking.wieghts: there is no such setting"),
        ({"weights": {"a": 2}}, "the policy 'uniform' does not take weights"),
        ({"policy": "informative", "targets": {"a": 2}}, "does not take targets"),
        ({"policy": "weighted", "exploration": 0.5}, "does not take exploration"),
        ({"policy": "weighted", "weights": {"x": 2}}, "weights: 'x' is not a contestant"),
        ({"policy": "weighted", "weights": {"a": -1}}, "greater than or equal to 0"),
        ({"policy": "weighted", "weights": {"a": float("nan")}}, "finite number"),
        ({"policy": "weighted", "targets": {"a": 0}}, "greater than 0"),
        ({"policy": "weighted", "targets": {"x": 9}}, "targets: 'x' is not a contestant"),
        ({"policy": "variance", "exploration": 1.5}, "less than or equal to 1"),
        ({"paused": ["x"]}, "paused: 'x' is not a contestant"),
        ({"paused": list("abcd")}, "leave fewer than two contestants: e"),
        (
            {"policy": "weighted", "paused": ["a"], "weights": dict.fromkeys("bcde", 0)},
            "leave fewer than two contestants: none",
        ),
        (
            {"policy": "weighted", "boosts": [{"pair": ["a", "a"], "factor": 2}]},
            "'a' never meets itself",
        ),
        (
            {"policy": "weighted", "boosts": [{"pair": ["a", "x"], "factor": 2}]},
            "boosts: 'x' is not a contestant",
        ),
        (
            {
                "policy": "weighted",
                "paused": list("abc"),
                "boosts": [{"pair": ["e", "d"], "factor": 0}],
            },
            "no two contestants may meet",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(matchmaking, line):
    with pytest.raises(RostraError, match=line) as caught:
        settings(**matchmaking)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("policy", ["uniform", "weighted", "variance", "informative"])
def test_the_paused_are_in_no_battle_whatever_the_policy(policy):
    made = open_policy(settings(policy=policy, paused=["b", "d"]), no_votes, random.Random(1))
    counts, told = drawn(made, 300)
    assert set(told) == {"ac", "ae", "ce"}
    assert {made.draw().policy for _ in range(3)} == {policy}
    assert sum(counts.values()) == 300


@pytest.mark.parametrize("policy", ["uniform", "weighted", "variance", "informative"])
def test_settings_come_back_as_they_went(policy):
    made = settings(policy=policy)
    assert ArenaSettings.model_validate_json(made.model_dump_json()) == made


@pytest.fixture
def votes_url_with_votes(votes_url: str, store: VoteStore) -> str:
    """`a` has beaten `b` six times, on the right, and tied with `c` twice."""
    for left, right, outcome, times in (("b", "a", "b", 6), ("a", "c", "tie", 2)):
        for _ in range(times):
            cast(store, left, right, outcome)
    return votes_url


def cast(store: VoteStore, left: str, right: str, outcome: str) -> None:
    of = {each.name: each for each in FIELD}
    ticket = store.open_battle(Pair(of[left], of[right]), "Why?", "192.0.2.1")
    for side in ("a", "b"):
        store.end_answer(ticket.battle_id, 0, side, EndedAnswer("So.", 1.0, finish_reason="stop"))
    store.vote(ticket, outcome)


def test_votes_are_read_from_the_store(votes_url_with_votes: str) -> None:
    votes = of_store(votes_url_with_votes)
    assert by_contestant(votes(None)) == {"a": 8, "b": 6, "c": 2}
    table = by_pair(votes(None), list("abcd"))
    assert table.tolist() == [[6, 0, 0], [0, 2, 0], *[[0, 0, 0]] * 4]
    now = datetime.now(UTC)
    assert votes(now + timedelta(hours=1)) is None
    assert by_contestant(votes(now - timedelta(hours=1))) == {"a": 8, "b": 6, "c": 2}


def test_both_bad_is_a_tie_for_the_rule_of_variance() -> None:
    board = Board.from_comparisons([("b", "a", "both_bad"), ("b", "a", "a"), ("a", "x", "a")])
    assert by_pair(board, ["a", "b"]).tolist() == [[0, 1, 1]]
    assert by_pair(None, ["a", "b"]).tolist() == [[0, 0, 0]]


def test_targets_are_of_the_votes_in_the_store(votes_url_with_votes: str) -> None:
    made = settings(votes_url_with_votes, policy="weighted", targets={"a": 8, "b": 12, "d": 5})
    policy = open_policy(made, of_store(votes_url_with_votes), random.Random(3))
    _, told = drawn(policy, 3_000)
    assert told["be"] / told["ae"] == pytest.approx(1 + PULL / 2)
    assert told["de"] / told["ce"] == pytest.approx(1 + PULL)


@pytest.mark.parametrize("policy", ["variance", "informative"])
def test_pairs_with_votes_come_less_often(votes_url_with_votes: str, policy: str) -> None:
    made = settings(votes_url_with_votes, policy=policy, exploration=0.2)
    opened = open_policy(made, of_store(votes_url_with_votes), random.Random(3))
    _, told = drawn(opened, 3_000)
    assert told["ab"] < 0.1 < told["de"]
    assert min(told.values()) >= 0.2 / 10


def test_a_store_that_is_not_there_is_told(tmp_path: Path, caplog) -> None:
    votes = of_store(f"sqlite:///{tmp_path / 'none.sqlite3'}")
    with pytest.raises(ArenaError, match="there is no such file"):
        votes(None)
    policy = open_policy(settings(policy="variance"), votes, random.Random(1))
    assert policy.draw().probability == pytest.approx(1 / 10)
    assert "matchmaking goes on as before" in caplog.text
