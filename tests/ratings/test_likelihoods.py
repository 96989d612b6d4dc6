"""The graphs of the likelihoods against the definition in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from ratings_boards import Truth, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models.likelihoods import log_weights
from rostra.arena.ratings.outcomes import log_outcome_probabilities, outcome_probabilities
from rostra.arena.ratings.spec import ModelSpec, Ties

ETA = np.array([-800.0, -30.0, -2.0, -0.1, 0.0, 0.3, 5.0, 40.0, 800.0])
TIE = np.array([-40.0, -3.0, -0.5, 0.0, 1.0, 8.0])
TRUTH = Truth(np.array([0.8, 0.2, -0.2, -0.8]), side=0.3, tie=0.2)


def evaluated(ties: Ties, eta: NDArray[np.float64], tie: NDArray[np.float64]) -> NDArray:
    x, y = pt.dvector(), pt.dvector()
    graph = pytensor.function(
        [x, y], log_weights(ties, x, y), mode="FAST_COMPILE", on_unused_input="ignore"
    )
    return graph(eta, tie)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper"])
def test_a_vote_weighs_its_log_probability(ties: Ties) -> None:
    eta, tie = np.array(list(itertools.product(ETA, TIE))).T
    assert_allclose(
        evaluated(ties, eta, tie), log_outcome_probabilities(ties, eta, tie), rtol=1e-9, atol=1e-12
    )


def test_a_tie_without_ties_is_half_a_win_for_each() -> None:
    weights = evaluated("bradley-terry", ETA, np.zeros_like(ETA))
    expected = log_outcome_probabilities("bradley-terry", ETA, 0.0)
    assert_allclose(weights[:, [0, 2]], expected[:, [0, 2]], rtol=1e-9)
    assert_allclose(weights[:, 1], (expected[:, 0] + expected[:, 2]) / 2, rtol=1e-9)


@pytest.fixture(scope="module")
def board() -> Board:
    return simulate(np.random.default_rng(3), TRUTH, votes=4_000, both_bad=0.2)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_a_model_predicts_votes_by_its_own_probabilities(board: Board, ties: Ties) -> None:
    fixed = {"strength": TRUTH.strengths, "side": np.array(TRUTH.side)}
    if ties != "bradley-terry":
        fixed["tie"] = np.array(TRUTH.tie)
    model = pm.do(models.build(board, ModelSpec(ties=ties)), fixed)
    votes = pm.draw(model["outcomes"], draws=400, random_seed=1, mode="FAST_COMPILE")
    assert (votes.sum(axis=-1) == board.decided.sum(axis=-1)).all()
    eta = TRUTH.strengths[board.left] - TRUTH.strengths[board.right] + TRUTH.side
    expected = outcome_probabilities(ties, eta, TRUTH.tie)
    shares = votes.mean(axis=0) / board.decided.sum(axis=-1, keepdims=True)
    assert_allclose(shares, expected, atol=0.015)


def test_both_bad_is_predicted_by_those_who_took_part(board: Board) -> None:
    model = models.build(board, ModelSpec())
    bad = np.array([1.0, 0.5, -0.5, -1.0])
    fixed = {"bad": bad, "bad_mean": np.array(-0.4)}
    found = models.data(board, ModelSpec())
    votes = pm.draw(pm.do(model, fixed)["both_bad"], draws=400, random_seed=1, mode="FAST_COMPILE")
    logit = -0.4 + bad[found["bad_left"]] + bad[found["bad_right"]]
    assert_allclose(votes.mean(axis=0) / found["all_votes"], 1 / (1 + np.exp(-logit)), atol=0.015)
