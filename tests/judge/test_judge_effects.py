"""What is computed from stored verdicts beside people's votes: each order of a pair by itself."""

from __future__ import annotations

import json
from itertools import permutations

import polars as pl
import pytest
from judge_server import Server, shown, verdict

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.judged import in_orders, judged_votes, orders
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.reduction import VoteReader
from rostra.arena.votes.store import VoteStore

FIELD = ("ariel", "puck", "caliban")
PAIRS = 9
PEOPLE = 30


@pytest.fixture
def url(home) -> str:
    return f"sqlite:///{home / 'data' / 'votes.sqlite3'}"


@pytest.fixture
def judged(rostra, run, prompts, server: Server, url: str) -> None:
    """People vote by the alphabet, not always, on the sum; portia likes puck, and shylock whatever
    comes first."""
    store = VoteStore(url)
    for number in range(PEOPLE // 6):
        for left, right in permutations(FIELD, 2):
            pair = Pair(*(Contestant(name=name, model=name) for name in (left, right)))
            ticket = store.open_battle(pair, "Six times seven?", f"192.0.2.{number}")
            for side in ("a", "b"):
                answer = EndedAnswer("42", 1.0, finish_reason="stop")
                store.end_answer(ticket.battle_id, 0, side, answer)
            better = "a" if left < right else "b"
            store.vote(ticket, better if number else "tie")
    store.close()

    def judge(body):
        first, second = shown(body)[-2:]
        if body["model"] == "portia-70b":
            return verdict("A" if "puck" in first else "B" if "puck" in second else "tie")
        return verdict("A")

    server.judge = judge
    assert rostra("judge", "run", run, prompts).exit_code == 0
    done = rostra("judge", "pairs", run, "--judge", "portia", "--judge", "shylock")
    assert done.exit_code == 0, done.output


def test_each_order_is_a_verdict(judged, url):
    frame = judged_votes(url)
    people, shylock = (
        frame.filter(frame["judge"].is_null()),
        frame.filter(frame["judge"].eq("shylock").fill_null(False)),
    )
    assert len(people) == PEOPLE
    assert len(shylock) == 2 * PAIRS
    assert set(shylock["outcome"]) == {"a"}
    assert set(shylock["category"]) == {"writing", "maths"}
    reader = VoteReader(url, givers="both")
    try:
        board, _ = reader.reduce(Wanted(factors=("judge",)))
    finally:
        reader.close()
    assert board.factors["judge"].levels == ("people", "portia", "shylock")
    assert board.num_votes == PEOPLE + 4 * PAIRS
    assert board.where("judge", "shylock").wins_left.sum() == 2 * PAIRS


def test_columns_of_a_side_go_with_it():
    battles = pl.DataFrame(
        {"id": ["1", "2"], "judge": ["j", None], "left": ["x", "x"], "right": ["y", "z"],
         "outcome": ["tie", "a"], "tokens_left": [3, 5], "tokens_right": [4, 6]}
    )  # fmt: skip
    said = [
        {"left": "x", "right": "y", "outcome": "a"},
        {"left": "y", "right": "x", "outcome": "a"},
    ]
    found = in_orders(battles, {"1": {"verdicts": said}, "2": {"verdicts": said}})
    assert found.select("left", "right", "outcome", "tokens_left", "tokens_right").rows() == [
        ("x", "y", "a", 3, 4),
        ("y", "x", "a", 4, 3),
        ("x", "z", "a", 5, 6),
    ]


def test_a_judge_who_takes_the_first_never_agrees(judged, rostra):
    done = rostra("judge", "agreement", "--output", "json", "--rounds", "20")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    (shylock,) = [
        row
        for row in rows
        if (row["first"], row["second"]) == ("shylock", "people") and row["ties"]
    ]
    # A verdict that turns with the order is a tie, and people's majority is none.
    assert (shylock["battles"], shylock["agreement"]) == (3, 0)
    done = rostra("judge", "agreement", "--judge", "portia")
    assert "shylock" not in done.output


def test_ratings_with_judges_come_out_of_the_store(judged, rostra, home):
    done = rostra("rate", "--judges", "--own", "portia=puck", "--engine", "laplace")
    assert done.exit_code == 0, done.output
    found = Posterior.latest(home / "data" / "ratings" / "from-both")
    assert found is not None
    assert found.spec.structure == "judges"
    assert found.spec.judge_biases == ("side", "own")
    side = found.draws["judge_bias"][..., 1, 0]
    assert (side > 0).mean() > 0.97
    refused = rostra("rate", "--own", "portia=puck")
    assert refused.exit_code == 2
    assert "give --judges" in refused.output
    refused = rostra("rate", "--judges", "--own", "portia=oberon")
    assert refused.exit_code == 2
    assert "'oberon' of the family of 'portia' is not a contestant" in refused.output


def test_people_corrected_by_verdicts_of_the_store(judged, rostra):
    done = rostra("judge", "rate")
    assert done.exit_code == 0, done.output
    assert "30 votes" in done.output


def test_what_is_beside_an_outcome_is_read_or_left():
    one = {"left": "y", "right": "x", "outcome": "a"}
    assert list(orders("x", "y", "b", {"verdicts": [one]})) == [("y", "x", "a")]
    for extra in (
        {},
        {"verdicts": None},
        {"verdicts": "no"},
        {"verdicts": [7, {"left": "x"}, {**one, "right": "z"}, {**one, "outcome": "perhaps"}]},
        {"verdicts": [one], "panel": {"i": "b"}},
    ):
        assert list(orders("x", "y", "b", extra)) == [("x", "y", "b")]
