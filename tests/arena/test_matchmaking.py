"""Each policy draws with the probabilities that it tells, and from those it is to draw from."""

from __future__ import annotations

import random

import pytest
from matchmaking_fields import FIELD, assert_as_told, board_of, drawn, no_votes

from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import Pair, Policy
from rostra.arena.matchmaking.informative import Informative
from rostra.arena.matchmaking.settings import Boost
from rostra.arena.matchmaking.uniform import Uniform
from rostra.arena.matchmaking.variance import Variance
from rostra.arena.matchmaking.weighted import PULL, Weighted

VOTES = board_of(dict(zip("abcde", (0.9, 0.8, 0.0, -0.7, -0.8), strict=True)), 400, seed=1)


def policies(field: list[Contestant], seed: int, tmp_path) -> list[Policy]:
    rng = random.Random(seed)
    return [
        Uniform(field, rng),
        Weighted(field, rng, {"a": 3.0}, (Boost(pair=("b", "a"), factor=2.0),), {}),
        Variance(field, rng, lambda since: VOTES, 0.1),
        Informative(field, rng, tmp_path, lambda since: VOTES, 0.1),
        Informative(field, rng, tmp_path, no_votes, 0.1),
    ]


@pytest.mark.parametrize("number", range(5))
def test_pairs_come_as_often_as_told_and_sides_are_a_fair_coin(number, tmp_path):
    assert_as_told(policies(FIELD, 20260101, tmp_path)[number], pairs=10)


@pytest.mark.parametrize("number", range(5))
def test_nobody_meets_themselves_even_in_a_field_of_two(number, tmp_path):
    policy = policies(FIELD[:2], 0, tmp_path)[number]
    draws = [policy.draw() for _ in range(200)]
    pairs = {(draw.pair.a.name, draw.pair.b.name) for draw in draws}
    assert pairs == {("a", "b"), ("b", "a")}
    assert {draw.probability for draw in draws} == {1.0}


@pytest.mark.parametrize("number", range(5))
def test_the_same_seed_draws_the_same(number, tmp_path):
    one, two = (policies(FIELD, 7, tmp_path)[number] for _ in range(2))
    assert [one.draw() for _ in range(50)] == [two.draw() for _ in range(50)]


@pytest.mark.parametrize("number", range(5))
def test_pairs_of_a_part_come_in_proportion_to_what_they_are_of_all(number, tmp_path):
    policy = policies(FIELD, 3, tmp_path)[number]
    of_all = {}
    while len(of_all) < 10:
        draw = policy.draw()
        of_all[frozenset((draw.pair.a.name, draw.pair.b.name))] = draw.probability
    part = {pair: p for pair, p in of_all.items() if pair <= {"b", "d", "e"}}
    draws = [policy.draw({"b", "d", "e", "nobody"}) for _ in range(300)]
    for draw in draws:
        names = frozenset((draw.pair.a.name, draw.pair.b.name))
        assert draw.probability == pytest.approx(part[names] / sum(part.values()))
        assert draw.record["among"] == ["b", "d", "e"]
    assert {draw.pair.a.name for draw in draws} == {"b", "d", "e"}
    for nobody in ([], ["a"], ["nobody", "b"]):
        with pytest.raises(ArenaError, match="can meet"):
            policy.draw(nobody)


def test_no_pair_is_drawn_of_two_that_never_meet():
    apart = Weighted(FIELD, random.Random(1), {}, (Boost(pair=("a", "b"), factor=0.0),), {})
    with pytest.raises(ArenaError, match="no two of a, b can meet"):
        apart.draw({"a", "b"})


def test_uniform_tells_one_in_all_pairs():
    draw = Uniform(FIELD, random.Random(1)).draw()
    assert draw.probability == pytest.approx(1 / 10)
    assert draw.record == {"policy": "uniform", "probability": draw.probability}


def test_sides_index_a_pair():
    pair = Pair(*FIELD[:2])
    assert pair["a"] is pair.a
    assert pair["b"] is pair.b


def test_weights_and_boosts_multiply():
    boosts = (Boost(pair=("a", "c"), factor=6.0), Boost(pair=("d", "e"), factor=0.0))
    policy = Weighted(FIELD, random.Random(2), {"a": 2.0, "e": 0.5}, boosts, {})
    _, told = drawn(policy, 2_000)
    weight = {"a": 2.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": 0.5}
    shares = {
        pair: weight[pair[0]] * weight[pair[1]] * (6.0 if pair == "ac" else 1.0)
        for pair in ("ab", "ac", "ad", "ae", "bc", "bd", "be", "cd", "ce")
    }
    assert told == pytest.approx({pair: x / sum(shares.values()) for pair, x in shares.items()})


def test_a_weight_of_zero_is_never_drawn():
    counts, _ = drawn(Weighted(FIELD, random.Random(3), {"b": 0.0}, (), {}), 2_000)
    assert all("b" not in pair for pair in counts)


def test_the_weight_grows_with_the_votes_that_are_missing():
    votes = {"a": 0, "b": 50, "c": 100, "d": 300}
    targets = dict.fromkeys("abcd", 100)
    policy = Weighted(FIELD, random.Random(4), {}, (), targets, lambda: votes)
    _, told = drawn(policy, 2_000)
    to_e = {name: told[name + "e"] for name in "abcd"}
    assert to_e["a"] / to_e["c"] == pytest.approx(1 + PULL)
    assert to_e["b"] / to_e["c"] == pytest.approx(1 + PULL / 2)
    assert to_e["d"] == pytest.approx(to_e["c"])
    votes.update(a=100, b=100)
    assert policy.draw().probability == pytest.approx(1 / 10)


@pytest.mark.parametrize(
    ("weights", "boosts", "line"),
    [
        (dict.fromkeys("abcde", 0.0), (), "only none weighs more than 0"),
        (dict.fromkeys("abcd", 0.0), (), "only e weighs more than 0"),
        (
            dict.fromkeys("abc", 0.0),
            (Boost(pair=("d", "e"), factor=0.0),),
            "leave no pair: every factor is 0",
        ),
    ],
)
def test_weights_that_leave_nobody_to_draw_are_refused_at_once(weights, boosts, line):
    with pytest.raises(ArenaError, match=line):
        Weighted(FIELD, random.Random(0), weights, boosts, {})


def test_a_field_of_one_is_refused_at_once():
    with pytest.raises(ArenaError, match="takes two contestants, and there is a to draw from"):
        Uniform(FIELD[:1], random.Random(0))


def test_tiny_weights_do_not_vanish():
    _, told = drawn(Weighted(FIELD, random.Random(5), dict.fromkeys("abcde", 1e-200), (), {}), 500)
    assert list(told.values()) == pytest.approx([1 / 10] * 10)
