from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ratings_boards import names, two_groups

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.summary.graph import Bridge, graph


def met(size: int, pairs: dict[tuple[int, int], list[int]]) -> Board:
    """`pairs`: wins left, ties, wins right."""
    left, right = zip(*pairs, strict=True)
    return Board.of(names(size), left, right, [[*row, 0] for row in pairs.values()])


def two_triangles(votes: int) -> Board:
    """c00 to c02 and c03 to c05 all met, and c02 met c03."""
    inside = {pair: [20, 5, 20] for pair in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5))}
    return met(6, {**inside, (2, 3): [votes - 2, 1, 1]})


def test_a_bridge_between_two_groups() -> None:
    found = graph(two_triangles(votes=7))
    assert found.components == (names(6),)
    assert found.bridges == (Bridge("c02", "c03", 7),)
    assert found.articulations == ("c02", "c03")
    cut = found.weakest_cut()
    assert cut is not None
    assert (cut.votes, set(cut.group)) in ((7, {"c00", "c01", "c02"}), (7, {"c03", "c04", "c05"}))
    assert (found.pairs_met, found.pairs_possible) == (7, 15)
    assert found.ordered_groups == (names(6),)


def test_thin_contestants_do_not_hide_a_weak_link_between_groups() -> None:
    board = two_triangles(votes=7)
    thin = Board.of(
        names(7), [*board.left, 0], [*board.right, 6], [*board.table.tolist(), [2, 0, 1, 0]]
    )
    assert graph(thin).weakest_cut().votes == 3
    assert graph(thin).weakest_cut(least=10).votes == 7


def test_groups_that_never_met_are_components_and_not_a_cut() -> None:
    found = graph(two_groups())
    assert found.components == (("c00", "c01"), ("c02", "c03"))
    assert {(bridge.first, bridge.second) for bridge in found.bridges} == {
        ("c00", "c01"),
        ("c02", "c03"),
    }
    assert found.articulations == ()
    assert found.weakest_cut().votes == 22


def test_who_never_lost_is_a_group_of_its_own() -> None:
    board = met(4, {(0, 1): [5, 0, 0], (0, 2): [4, 0, 0], (1, 2): [2, 1, 2], (2, 3): [3, 0, 0]})
    assert graph(board).ordered_groups == (("c00",), ("c01", "c02"), ("c03",))


def test_a_tie_ties_groups_together() -> None:
    board = met(2, {(0, 1): [5, 1, 0]})
    assert graph(board).ordered_groups == (("c00", "c01"),)


def test_both_bad_links_nobody() -> None:
    board = Board.of(names(2), [0], [1], [[0, 0, 0, 9]])
    found = graph(board)
    assert len(found.components) == 2
    assert found.weakest_cut() is None


@settings(deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda n: st.lists(st.integers(0, 5), min_size=n * n, max_size=n * n).map(
            lambda votes: np.triu(np.array(votes).reshape(n, n), 1)
        )
    )
)
def test_the_weakest_cut_is_the_least_of_all(votes: np.ndarray) -> None:
    size = len(votes)
    pairs = {(int(i), int(j)): [int(votes[i, j]), 0, 0] for i, j in np.argwhere(votes)}
    if not pairs or len((board := met(size, pairs)).components) > 1:
        return
    weights = votes + votes.T
    every = [
        weights[np.ix_(part, ~part)].sum()
        for count in range(1, size)
        for chosen in combinations(range(size), count)
        for part in [np.isin(np.arange(size), chosen)]
    ]
    cut = graph(board).weakest_cut()
    part = np.isin(names(size), cut.group)
    assert cut.votes == min(every) == weights[np.ix_(part, ~part)].sum()
    assert 0 < part.sum() <= size / 2


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda p: p[0] < p[1])))
def test_bridges_and_articulations_are_what_their_names_say(pairs: set[tuple[int, int]]) -> None:
    every = {pair: [1, 0, 1] for pair in pairs}
    if not every:
        return
    board = met(7, every)
    found = graph(board)
    parts = len(board.components)
    expected = {
        pair
        for pair in every
        if len(every) == 1
        or len(met(7, {p: v for p, v in every.items() if p != pair}).components) > parts
    }
    assert {(int(b.first[1:]), int(b.second[1:])) for b in found.bridges} == expected
    for who in range(7):
        rest = {p: v for p, v in every.items() if who not in p}
        left_over = len(met(7, rest).components) if rest else 7
        alone = all(who not in pair for pair in every)
        # The one taken out is then a part of its own.
        assert (names(7)[who] in found.articulations) == (not alone and left_over - 1 > parts)
