from __future__ import annotations

import random
from collections import Counter

from scipy.stats import chisquare

from rostra.arena.matchmaking import Matchmaker
from rostra.arena.settings import Contestant

FIELD = [Contestant(name=name, model="m") for name in "abcde"]


def test_ordered_pairs_are_uniform():
    matchmaker = Matchmaker(FIELD, random.Random(20260101))
    drawn = Counter(
        (pair.a.name, pair.b.name) for pair in (matchmaker.draw() for _ in range(20_000))
    )
    assert len(drawn) == len(FIELD) * (len(FIELD) - 1)
    assert chisquare(list(drawn.values())).pvalue > 0.01


def test_nobody_meets_themselves_even_in_a_field_of_two():
    matchmaker = Matchmaker(FIELD[:2], random.Random(0))
    pairs = [matchmaker.draw() for _ in range(200)]
    assert {(pair.a.name, pair.b.name) for pair in pairs} == {("a", "b"), ("b", "a")}


def test_sides_index_a_pair():
    pair = Matchmaker(FIELD, random.Random(1)).draw()
    assert pair["a"] is pair.a
    assert pair["b"] is pair.b
