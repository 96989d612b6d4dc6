from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from audit_boards import League, normal_posterior
from ratings_boards import names

from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.summary.mode import Problem, mode
from rostra.arena.ratings.summary.robustness import Robustness, robustness
from rostra.arena.ratings.summary.transitivity import count_triads, transitivity


def first_without(posterior: Posterior, found: Robustness) -> str:
    """Who is first in a fit without the votes that were found."""
    board = posterior.board
    table = board.table.copy()
    for kind in found.dropped:
        left, right = (board.contestants.index(name) for name in (kind.left, kind.right))
        cell = np.flatnonzero((board.left == left) & (board.right == right))[0]
        table[cell, OUTCOMES.index(kind.outcome)] -= kind.votes
    assert table.min() >= 0
    rest = Board.of(board.contestants, board.left, board.right, table)
    return board.contestants[mode(Problem.of(posterior, rest)).order[0]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_the_votes_found_do_change_the_first_rank(seed: int, ties: str) -> None:
    posterior = normal_posterior(League(votes=900).draw(seed).board(), ModelSpec(ties=ties))
    found = robustness(posterior)
    assert found.votes == sum(kind.votes for kind in found.dropped)
    assert found.share == pytest.approx(found.votes / 900)
    assert found.leader == names(6)[mode(Problem.of(posterior)).order[0]]
    assert first_without(posterior, found) == found.rival != found.leader


def test_no_smaller_choice_of_votes_does_it_on_a_board_small_enough_to_try_all() -> None:
    board = Board.of(
        names(3),
        [0, 1, 2, 0],
        [1, 2, 0, 2],
        [[3, 1, 1, 0], [2, 0, 1, 0], [1, 0, 2, 0], [2, 1, 1, 0]],
    )
    posterior = normal_posterior(board, ModelSpec(side=False))
    found = robustness(posterior)
    counts = board.table[:, :3].ravel()
    problem = Problem.of(posterior)
    start = mode(problem).parameters

    def first(taken: tuple[int, ...]) -> str:
        rest = (counts - np.array(taken)).reshape(-1, 3).astype(float)
        return names(3)[mode(problem.with_votes(rest), start).order[0]]

    fewest = min(
        sum(taken)
        for taken in product(*(range(count + 1) for count in counts))
        if 0 < sum(taken) <= found.votes and first(taken) != found.leader
    )
    assert found.votes == fewest


def test_a_lead_that_no_removal_undoes() -> None:
    # Without its wins the leader would stand where the other stands: never behind.
    board = Board.of(names(2), [0], [1], [[40, 0, 0, 0]])
    found = robustness(normal_posterior(board, ModelSpec(side=False)))
    assert (found.votes, found.rival, found.dropped) == (None, None, ())


def test_triads() -> None:
    circle = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]])
    assert count_triads(circle) == (1, 1)
    line = np.array([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]])
    assert count_triads(line) == (1, 0)
    undecided = np.array([[0, 1, 0], [-1, 0, 1], [0, -1, 0]])
    assert count_triads(undecided) == (0, 0)


def test_triads_against_a_count_by_hand() -> None:
    margins = np.random.default_rng(5).integers(-2, 3, size=(9, 9))
    margins = np.triu(margins, 1) - np.triu(margins, 1).T
    decided = cyclic = 0
    for i, j, k in product(range(9), repeat=3):
        if i < j < k:
            three = [margins[i, j], margins[j, k], margins[k, i]]
            decided += all(three)
            cyclic += min(three) > 0 or max(three) < 0
    assert count_triads(margins) == (decided, cyclic)


def test_a_planted_circle_is_found_with_an_example() -> None:
    league = League(strengths=np.linspace(1, -1, 8), cycle=1.0)
    found = transitivity(normal_posterior(league.draw(1).board(), ModelSpec()), replications=100)
    assert found.excess > 0.05
    assert found.p_value < 0.01
    first, second, third = (int(name[1:]) for name in found.example)
    assert max(first, second, third) < 5
    assert all((b - a) % 5 <= 2 for a, b in ((first, second), (second, third), (third, first)))


def test_the_same_posterior_gives_the_same_numbers() -> None:
    posterior = normal_posterior(League(votes=500).draw(1).board(), ModelSpec())
    once, again = (transitivity(posterior, replications=20) for _ in range(2))
    assert once.replicated.tolist() == again.replicated.tolist()
