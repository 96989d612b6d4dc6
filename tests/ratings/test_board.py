from __future__ import annotations

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.errors import RatingsError

NAMES = st.sampled_from(["ant", "bee", "cat", "dog", "éléphant"])
ROWS = st.lists(
    st.tuples(NAMES, NAMES, st.sampled_from(OUTCOMES)).filter(lambda row: row[0] != row[1]),
    max_size=60,
)


@given(ROWS)
def test_every_vote_is_counted_where_it_belongs(rows: list[tuple[str, str, str]]) -> None:
    counts = Board.from_comparisons(rows)
    found = Counter(
        {
            (counts.contestants[left], counts.contestants[right], outcome): int(number)
            for left, right, votes in zip(counts.left, counts.right, counts.table, strict=True)
            for outcome, number in zip(OUTCOMES, votes, strict=True)
        }
    )
    assert +found == Counter(rows)
    assert counts.num_votes == len(rows)
    assert counts.num_decided == sum(outcome != "both_bad" for *_, outcome in rows)
    expected = Counter(name for left, right, _ in rows for name in (left, right))
    assert dict(zip(counts.contestants, counts.votes.tolist(), strict=True)) == expected


@given(ROWS, st.randoms(use_true_random=False))
def test_the_hash_knows_the_votes_and_not_their_order(
    rows: list[tuple[str, str, str]], rng: random.Random
) -> None:
    counts = Board.from_comparisons(rows)
    shuffled = rows.copy()
    rng.shuffle(shuffled)
    assert Board.from_comparisons(shuffled).data_hash == counts.data_hash
    more = Board.from_comparisons([*rows, ("ant", "bee", "a")])
    assert more.data_hash != counts.data_hash


def test_swapping_sides_changes_the_hash() -> None:
    one = Board.from_comparisons([("ant", "bee", "a")])
    other = Board.from_comparisons([("bee", "ant", "b")])
    assert one.data_hash != other.data_hash


def test_the_hash_is_of_the_documented_form() -> None:
    counts = Board.from_comparisons([("bee", "ant", "a"), ("bee", "ant", "both_bad")])
    # sha256 of {"contestants":["ant","bee"],"pairs":[[1,0,1,0,0,1]]}, by sha256sum
    assert counts.data_hash == "27c294887a21c5c9ecb8f110ae7e8fb87686082b4d10e845325676a5a0c4d091"


@given(ROWS)
def test_groups_are_the_connected_components(rows: list[tuple[str, str, str]]) -> None:
    counts = Board.from_comparisons(rows)
    label = {name: name for name in counts.contestants}
    for left, right, outcome in rows:
        if outcome != "both_bad":
            old, new = label[left], label[right]
            label = {name: new if at == old else at for name, at in label.items()}
    expected = {
        frozenset(name for name in label if label[name] == group) for group in label.values()
    }
    assert {frozenset(group) for group in counts.components} == expected
    assert sum(map(len, counts.components)) == len(counts.contestants)


def test_a_contestant_without_votes_belongs_to_the_field_it_is_named_in() -> None:
    counts = Board.from_comparisons([("ant", "bee", "tie")], contestants=["cat", "bee", "ant"])
    assert counts.contestants == ("ant", "bee", "cat")
    assert counts.votes.tolist() == [1, 1, 0]
    assert counts.components == (("ant", "bee"), ("cat",))


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (("ant", "bee", "A"), "row 2: outcome 'A' is none of a, tie, b, both_bad"),
        (("ant", "ant", "a"), "row 2: 'ant' is compared with itself"),
        (("ant", "yak", "a"), "row 2: 'yak' is not a contestant"),
    ],
)
def test_a_malformed_row_is_named(row: tuple[str, str, str], line: str) -> None:
    with pytest.raises(RatingsError) as caught:
        Board.from_comparisons([("ant", "bee", "a"), row], contestants=["ant", "bee"])
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"contestants": ("bee", "ant")}, "ascending"),
        ({"contestants": ("ant", "ant")}, "unique"),
        ({"left": np.array([0, 0])}, r"\[cells, 4\]"),
        ({"right": np.array([2])}, "does not exist"),
        ({"left": np.array([-1])}, "does not exist"),
        ({"right": np.array([0])}, "'ant' is paired with itself"),
        ({"table": np.array([[1, -1, 0, 0]])}, "negative"),
    ],
)
def test_malformed_counts_are_refused(change: dict, line: str) -> None:
    counts = Board.from_comparisons([("ant", "bee", "a")])
    with pytest.raises(RatingsError, match=line):
        dataclasses.replace(counts, **change)


def test_a_pair_given_twice_is_refused() -> None:
    with pytest.raises(RatingsError, match="unique"):
        Board(("ant", "bee"), np.array([0, 0]), np.array([1, 1]), np.ones((2, 4)))


def test_counts_cannot_be_changed_from_outside() -> None:
    table = np.array([[0, 3, 0, 0]])
    counts = dataclasses.replace(Board.from_comparisons([("ant", "bee", "a")]), table=table)
    table[0] = 99
    assert counts.ties.tolist() == [3]
    with pytest.raises(ValueError, match="read-only"):
        counts.ties[0] = 1


def test_no_rows_are_no_votes() -> None:
    counts = Board.from_comparisons([])
    assert (counts.contestants, counts.num_votes, counts.components) == ((), 0, ())
