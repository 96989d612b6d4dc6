"""Checks pass on votes from the model and fail on planted departures from it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from ratings_boards import Truth, names, posterior_of, simulate

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.counting import counted
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.spec import ModelSpec, Ties
from rostra.arena.ratings.summary.cells import Cells, told_apart
from rostra.arena.ratings.summary.predictive import Predictive, predictive

STRENGTHS = np.array([0.6, 0.2, -0.1, -0.7])
TRUTH = Truth(STRENGTHS, side=0.0, tie=0.0)


def knowing(board: Board, spread: float = 0.02, **spec: object) -> Posterior:
    """A posterior narrowly round the truth."""
    draws = STRENGTHS + spread * np.random.default_rng(1).normal(size=(400, 4))
    return dataclasses.replace(posterior_of(draws, board), spec=ModelSpec(**spec))


def simulated(seed: int = 2, votes: int = 6000) -> Board:
    return simulate(np.random.default_rng(seed), TRUTH, votes, both_bad=0.1)


def p_values(found: Predictive) -> dict[str, float]:
    return {check.name: check.p_value for check in found.checks}


def test_votes_from_the_model_pass() -> None:
    found = predictive(knowing(simulated()))
    assert all(0.01 < p < 0.99 for p in p_values(found).values())
    assert found.notes == ()
    assert found.strain < 0.03
    assert found.pairs.outside < 0.25
    assert len(found.first) == 6
    assert (found.first < found.second).all()


def test_observed_shares_are_those_of_the_votes() -> None:
    board = simulated()
    found = predictive(knowing(board))
    k = int(np.flatnonzero((found.first == 1) & (found.second == 3))[0])
    one, other = (
        board.decided[(board.left == i) & (board.right == j)][0] for i, j in ((1, 3), (3, 1))
    )
    both = one + other[::-1]
    assert_allclose(found.pairs.observed[k], both / both.sum())
    assert (found.pairs.votes[k] == both.sum()).all()
    on_left = board.decided[board.left == 2].sum(axis=0)
    assert found.sides.observed[2, 0] == pytest.approx(
        (on_left[0] + on_left[1] / 2) / on_left.sum()
    )
    on_right = board.decided[board.right == 2].sum(axis=0)
    assert found.sides.observed[2, 1] == pytest.approx(
        (on_right[2] + on_right[1] / 2) / on_right.sum()
    )
    assert found.checks[1].observed == pytest.approx(board.ties.sum() / board.num_decided)


def test_predicted_shares_are_the_models_chances() -> None:
    found = predictive(knowing(simulated(), spread=0.0))
    for k, (i, j) in enumerate(zip(found.first, found.second, strict=True)):
        exact = outcome_probabilities("davidson", STRENGTHS[i] - STRENGTHS[j], 0.0)
        assert_allclose(found.pairs.predicted[k], exact, rtol=1e-4)
        # 94 % of a binomial share, by its normal approximation.
        sd = np.sqrt(exact * (1 - exact) / found.pairs.votes[k])
        assert_allclose(found.pairs.high[k] - exact, 1.88 * sd, rtol=0.35)


def test_the_calibration_table_adds_up() -> None:
    board = simulated()
    found = predictive(knowing(board)).calibration
    assert found.votes.shape == (10, 2)
    assert_array_equal(found.votes.sum(axis=0), [board.num_decided] * 2)
    filled = found.votes > 0
    assert (np.isfinite(found.observed) == filled).all()
    tenths = np.floor(10 * found.predicted[:, 0])
    assert (np.abs(tenths - np.arange(10))[filled[:, 0]] <= 1).all()
    assert found.outside < 0.4


def test_one_pair_out_of_line_is_found() -> None:
    board = simulated()
    upset = (board.left == 3) & (board.right == 0)
    table = np.array(board.table)
    table[upset] = table[upset][:, [2, 1, 0, 3]]
    found = predictive(knowing(dataclasses.replace(board, table=table)))
    assert p_values(found)["misfit by pair"] < 0.01
    assert "stray from what the model predicts" in found.notes[0]
    # Votes for the two change places on a twelfth of all: 0.2 of score or so each.
    assert 0.03 < found.strain < 0.15


def test_ties_that_depend_on_the_pair_are_found() -> None:
    board = simulated()
    table = np.array(board.table)
    odd = (board.left + board.right) % 2 == 1
    half = table[:, [0, 2]] // 3
    table[odd, 1] += half[odd].sum(axis=1)
    table[odd, 0] -= half[odd, 0]
    table[odd, 2] -= half[odd, 1]
    found = predictive(knowing(dataclasses.replace(board, table=table)))
    assert p_values(found)["misfit of ties"] < 0.01
    assert any("Ties vary" in note for note in found.notes)


def test_a_side_effect_that_the_model_lacks_is_found() -> None:
    truth = dataclasses.replace(TRUTH, side=0.5)
    board = simulate(np.random.default_rng(3), truth, 6000)
    values = p_values(predictive(knowing(board)))
    assert values["misfit by side"] < 0.01
    assert values["left wins"] < 0.01
    assert values["right wins"] > 0.99


def test_p_values_of_the_truth_are_uniform_enough() -> None:
    found = [
        p_values(predictive(knowing(simulated(seed), spread=0.0), 100))["misfit by pair"]
        for seed in range(100, 160)
    ]
    assert 0.35 < np.mean(found) < 0.65
    assert np.mean(np.array(found) < 0.1) < 0.25


def test_the_same_posterior_gives_the_same_result() -> None:
    posterior = knowing(simulated())
    one, other = predictive(posterior), predictive(posterior)
    assert one.checks == other.checks
    assert_array_equal(one.pairs.low, other.pairs.low)


def test_both_bad_is_a_tie_where_the_model_says_so() -> None:
    board = simulated()
    assert counted(board, ModelSpec()).num_votes == board.num_decided
    as_ties = counted(board, ModelSpec(both_bad="tie"))
    assert as_ties.num_votes == board.num_votes
    assert as_ties.ties.sum() == board.ties.sum() + board.both_bad.sum()
    found = predictive(knowing(board, both_bad="tie"))
    assert p_values(found)["ties"] < 0.01


@pytest.mark.parametrize("ties", ["rao-kupper", "bradley-terry"])
def test_other_models_of_ties_have_their_own_predictions(ties: Ties) -> None:
    board = simulated()
    found = predictive(knowing(board, ties=ties))
    if ties == "bradley-terry":
        assert found.pairs.votes[:, 0].sum() == board.num_decided - board.ties.sum()
        assert p_values(found)["ties"] == 0.5
    else:
        assert found.pairs.votes[:, 0].sum() == board.num_decided


def test_levels_and_covariates_enter_the_chances() -> None:
    board = Board.of(
        names(2),
        [0, 0],
        [1, 1],
        [[5, 2, 3, 0], [4, 1, 6, 0]],
        {"category": Factor(("code", "prose"), np.array([0, 1]))},
        {"length": [0.5, -1.5]},
    )
    plain = posterior_of([[0.2, -0.2]] * 3, board)
    posterior = dataclasses.replace(
        plain,
        draws={
            **plain.draws,
            "level_strength": np.array([[[0.4, -0.4], [-0.1, 0.1]]] * 3)[None],
            "style": np.full((1, 3, 1), 0.3),
            "tie_style": np.full((1, 3, 1), -0.2),
        },
        spec=ModelSpec(
            structure="categories", factor="category", style=("length",), tie_style=("length",)
        ),
    )
    chances = Cells.of(posterior, told_apart(posterior)).chances(slice(None))
    for cell, (ahead, x) in enumerate(((0.8, 0.5), (-0.2, -1.5))):
        exact = outcome_probabilities("davidson", ahead + 0.3 * x, -0.2 * abs(x))
        assert_allclose(chances[:, cell], np.tile(exact, (3, 1)))
    at_code = posterior.at("code")
    only = Cells.of(at_code, told_apart(at_code)).chances(slice(None))
    assert_allclose(only[:, 0], chances[:, 0])


def test_careless_and_contrary_voters_enter_the_chances() -> None:
    board = Board.of(
        names(2),
        [0, 0, 0],
        [1, 1, 1],
        [[5, 2, 3, 0], [4, 1, 6, 0], [1, 1, 1, 0]],
        {"voter": Factor(("ann", "bob", "cyd"), np.array([0, 1, 2]))},
    )
    plain = posterior_of([[0.5, -0.5]] * 2, board)
    posterior = dataclasses.replace(
        plain,
        draws={**plain.draws, "voter_kind": np.array([np.eye(3)] * 2)[None]},
        spec=ModelSpec(structure="voters", factor="voter"),
    )
    chances = Cells.of(posterior, told_apart(posterior)).chances(slice(None))[0]
    exact = outcome_probabilities("davidson", 1.0, 0.0)
    assert_allclose(chances, [exact, np.array([10, 4, 10]) / 24, exact[::-1]])
