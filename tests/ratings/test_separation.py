from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from ratings_boards import Truth, made_up_posterior, posterior_of, simulate, two_groups

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.spec import ModelSpec, Ties
from rostra.arena.ratings.summary.mode import Mode, Problem, mode
from rostra.arena.ratings.summary.separation import (
    WIDTH,
    Separation,
    information,
    separations,
)

STRENGTHS = np.array([0.35, 0.15, -0.1, -0.4])
TRUTH = Truth(STRENGTHS, side=0.2, tie=-0.5)


def test_davidsons_information_has_a_closed_form() -> None:
    eta = np.linspace(-2, 2, 9)
    left, _, right = np.moveaxis(outcome_probabilities("davidson", eta, 0.3), -1, 0)
    exact = (left + right - (left - right) ** 2) / 4
    assert_allclose(information("davidson", eta, 0.0, 0.3), exact, rtol=1e-6)


def test_bradley_terry_has_the_binomial_information() -> None:
    eta = np.array([-1.0, 0.0, 2.0])
    win = 1 / (1 + np.exp(-eta))
    found = information("bradley-terry", eta, 0.0, -np.inf)
    assert_allclose(found, win * (1 - win), rtol=1e-6)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper"])
def test_information_is_the_variance_of_the_score_over_both_sides(ties: Ties) -> None:
    rng = np.random.default_rng(0)
    variances = []
    for eta in (0.7, -0.3):  # ahead by 0.5, side 0.2
        chances = outcome_probabilities(ties, eta, -0.4)
        slopes = (np.log(outcome_probabilities(ties, eta + 1e-5, -0.4)) - np.log(chances)) / 1e-5
        variances.append(slopes[rng.choice(3, size=100_000, p=chances)].var())
    found = information(ties, np.array(0.5), 0.2, -0.4)
    assert found == pytest.approx(np.mean(variances), rel=0.02)


def test_normal_draws_have_the_number_that_the_formula_gives() -> None:
    rng = np.random.default_rng(1)
    ahead = rng.normal(0.1, 0.1, size=200_000)
    (found,) = separations(posterior_of(np.column_stack([ahead / 2, -ahead / 2])))
    information_ = float(information("davidson", np.array(0.1), 0.0, 0.0))
    exact = ((WIDTH / 0.1) ** 2 - 1 / 0.1**2) / information_
    assert found.direct == pytest.approx(exact, rel=0.02)
    # With two contestants all votes of the field are between them.
    assert found.through_field == pytest.approx(found.direct, rel=1e-6)
    assert not found.separated


def test_separated_neighbours_need_nothing() -> None:
    posterior = made_up_posterior(np.array([2.0, 0.0, -2.0]), sd=0.1)
    assert [(row.higher, row.lower) for row in separations(posterior)] == [
        ("c00", "c01"),
        ("c01", "c02"),
    ]
    for row in separations(posterior):
        assert (row.separated, row.direct, row.through_field) == (True, 0, 0)


def test_equal_means_are_never_separated_and_unlinked_ones_cannot_be_said() -> None:
    (equal,) = separations(posterior_of([[0.1, -0.1], [-0.1, 0.1]] * 20))
    assert equal.direct == equal.through_field == math.inf
    posterior = made_up_posterior(np.array([0.3, 0.1, -0.1, -0.3]))
    apart = separations(dataclasses.replace(posterior, board=two_groups()))[1]
    assert not apart.linked
    assert not apart.separated
    assert math.isnan(apart.direct)
    assert math.isnan(apart.through_field)


def fitted(board: Board) -> Mode:
    template = posterior_of(np.tile(STRENGTHS, (2, 1)), board)
    posterior = dataclasses.replace(template, spec=ModelSpec(both_bad="out"))
    return mode(Problem.of(posterior))


def added(one: Board, other: Board) -> Board:
    return Board.of(
        one.contestants,
        np.concatenate([one.left, other.left]),
        np.concatenate([one.right, other.right]),
        np.concatenate([one.table, other.table]),
    )


def as_draws(found: Mode, board: Board) -> Separation:
    """What is needed of the closest two, from the normal posterior at the mode."""
    draws = np.random.default_rng(3).multivariate_normal(
        found.strengths, found.covariance[:4, :4], size=4000
    )
    posterior = posterior_of(draws, board)
    shape = posterior.side.shape
    posterior = dataclasses.replace(
        posterior,
        draws={
            **posterior.draws,
            "side": np.full(shape, found.side),
            "tie": np.full(shape, found.parameters[-1]),
        },
    )
    return separations(posterior)[0]


@pytest.mark.parametrize("between", ["direct", "through_field"])
def test_the_predicted_number_of_votes_separates_half_of_the_time(between: str) -> None:
    rng = np.random.default_rng(4)
    board = simulate(rng, TRUTH, 600)
    start = fitted(board)
    needed = as_draws(start, board)
    i, j = (board.contestants.index(x) for x in (needed.higher, needed.lower))
    # The means are taken to be right, as the prediction does.
    truth = Truth(start.strengths, start.side, float(start.parameters[-1]))
    predicted = getattr(needed, between)
    assert 50 < predicted < 20_000

    def share_separated(votes: int, times: int = 80) -> float:
        separated = 0
        for _ in range(times):
            if between == "direct":
                new = simulate_pair(rng, truth, i, j, votes)
            else:
                new = simulate(rng, truth, votes)
            again = fitted(added(board, new))
            lead = again.strengths[i] - again.strengths[j]
            direction = np.zeros(len(again.parameters))
            direction[i], direction[j] = 1, -1
            separated += lead > WIDTH * np.sqrt(direction @ again.covariance @ direction)
        return separated / times

    assert 0.35 < share_separated(round(predicted)) < 0.65
    assert share_separated(round(predicted / 4)) < 0.35
    assert share_separated(round(3 * predicted)) > 0.7


def simulate_pair(rng: np.random.Generator, truth: Truth, i: int, j: int, votes: int) -> Board:
    """Votes between two of the field alone, on either side as often."""
    both = np.array([i, j])
    ahead = truth.strengths[both] - truth.strengths[both[::-1]] + truth.side
    table = rng.multinomial(votes // 2, outcome_probabilities("davidson", ahead, truth.tie))
    padded = np.column_stack([table, np.zeros(2, dtype=int)])
    names = tuple(f"c{k:02d}" for k in range(len(truth.strengths)))
    return Board.of(names, both, both[::-1], padded)
