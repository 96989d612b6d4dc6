"""Gradients and second derivatives against finite differences; the sandwich against its sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import issparse

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.classical import EqualPairs, maximum_likelihood, newton
from rostra.arena.ratings.classical.newton import Problem
from rostra.arena.ratings.classical.outcomes import outcomes
from rostra.arena.ratings.classical.rows import LikelihoodSettings, Rows
from rostra.arena.ratings.outcomes import outcome_probabilities

WAYS = ("davidson", "rao-kupper", "half")
STEP = 1e-5
VOTERS = 40


def crowd(seed: int = 5, voters: int = VOTERS) -> Board:
    """700 votes on six contestants by voters who lean to one side, with a covariate."""
    rng = np.random.default_rng(seed)
    left, right = np.nonzero(~np.eye(6, dtype=bool))
    pair = rng.integers(len(left), size=700)
    voter = np.sort(rng.integers(voters, size=700))
    length = rng.choice([-1.0, 0.0, 0.5, 1.5], size=700)
    strengths = np.linspace(-0.8, 0.8, 6)
    lean = rng.normal(0.2, 0.8, size=voters)
    eta = strengths[left[pair]] - strengths[right[pair]] + lean[voter] + 0.5 * length
    chances = outcome_probabilities("davidson", eta, -0.3)
    outcome = (rng.random((700, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    names = tuple(f"v{number:02d}" for number in range(voters))
    return Board.of(
        tuple("abcdef"),
        left[pair],
        right[pair],
        np.eye(4, dtype=np.int64)[outcome],
        {"voter": Factor(names, voter)},
        {"length": length},
    )


@pytest.mark.parametrize("ties", WAYS)
@settings(deadline=None)
@given(
    eta=st.floats(-8, 8),
    tie=st.floats(-6, 4),
)
def test_derivatives_of_one_vote(ties: str, eta: float, tie: float) -> None:
    def at(eta: float, tie: float):
        return outcomes(ties, np.array([eta]), tie)

    found = at(eta, tie)
    for name, low, high in (
        ("eta", at(eta - STEP, tie), at(eta + STEP, tie)),
        ("tie", at(eta, tie - STEP), at(eta, tie + STEP)),
    ):
        pairs = [("logp", f"d_{name}"), (f"d_{name}", f"d_{name}_{name}")]
        pairs += [("d_tie", "d_eta_tie")] if name == "eta" else [("d_eta", "d_eta_tie")]
        for of, derivative in pairs:
            slope = (getattr(high, of) - getattr(low, of)) / (2 * STEP)
            np.testing.assert_allclose(getattr(found, derivative), slope, atol=2e-6)


@pytest.mark.parametrize("ties", WAYS)
def test_half_ties_and_none_are_the_probabilities_of_the_definition(ties: str) -> None:
    eta = np.linspace(-4, 4, 9)
    if ties == "half":
        found = outcomes("half", eta, 0.0).logp
        win = outcome_probabilities("bradley-terry", eta, 0.0)
        np.testing.assert_allclose(np.exp(found[:, [0, 2]]), win[:, [0, 2]])
        np.testing.assert_allclose(found[:, 1], (found[:, 0] + found[:, 2]) / 2)
    else:
        found = np.exp(outcomes(ties, eta, 0.7).logp)
        np.testing.assert_allclose(found, outcome_probabilities(ties, eta, 0.7))
        without = np.exp(outcomes(ties, eta, -np.inf).logp[:, [0, 2]])
        np.testing.assert_allclose(without.sum(axis=1), 1)


@pytest.mark.parametrize("ties", WAYS)
@pytest.mark.parametrize("dense", [newton.DENSE, 0])
def test_gradient_and_information(ties: str, dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton, "DENSE", dense)
    chosen = LikelihoodSettings(ties=ties, style=("length",), weighting=EqualPairs())
    rows = Rows.of(crowd(), chosen)
    problem = Problem(6, rows, ties, ties != "half", np.arange(1, 6))
    theta = np.random.default_rng(0).normal(0, 0.5, problem.parameters)

    def gradient(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return problem.gradient(problem.outcomes(theta))

    numbers = range(problem.parameters)
    moves = [STEP * np.eye(problem.parameters)[number] for number in numbers]
    slopes = [(problem.value(theta + m) - problem.value(theta - m)) / (2 * STEP) for m in moves]
    np.testing.assert_allclose(gradient(theta), slopes, atol=1e-5)
    bends = [(gradient(theta + m) - gradient(theta - m)) / (2 * STEP) for m in moves]
    information = problem.information(problem.outcomes(theta))
    assert issparse(information) == (dense == 0)
    whole = information.toarray() if issparse(information) else information
    np.testing.assert_allclose(whole, -np.array(bends), atol=1e-5)


@pytest.mark.parametrize("ties", WAYS)
def test_sparse_and_dense_find_the_same(ties: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = maximum_likelihood(crowd(), LikelihoodSettings(ties=ties, style=("length",)))
    monkeypatch.setattr(newton, "DENSE", 0)
    sparse = maximum_likelihood(crowd(), LikelihoodSettings(ties=ties, style=("length",)))
    np.testing.assert_allclose(sparse.strengths, dense.strengths, atol=1e-9)
    np.testing.assert_allclose(sparse.sandwich, dense.sandwich, atol=1e-9)


@pytest.mark.parametrize("ties", WAYS)
@pytest.mark.parametrize("cluster", [None, "voter"])
def test_the_sandwich_is_the_sum_over_its_units(ties: str, cluster: str | None) -> None:
    """Each unit's score by finite differences of its own log-likelihood."""
    board = crowd()
    found = maximum_likelihood(
        board, LikelihoodSettings(ties=ties, style=("length",), cluster=cluster)
    )
    fine = Rows.of(board, found.settings, keep=("voter",))
    codes = board.by("voter", covariates=("length",)).factors["voter"].codes
    theta = np.concatenate([found.strengths, list(found.coefficients.values())])
    has_tie = ties != "half"
    scores = []
    if cluster:
        for code in range(VOTERS):
            part = Problem(6, fine.at(codes == code), ties, has_tie, np.arange(1, 6))
            scores.append(part.gradient(part.outcomes(theta)))
    else:
        for row, outcome in np.argwhere(fine.votes):
            one = np.zeros_like(fine.votes)
            one[row, outcome] = 1.0
            part = Problem(6, fine.with_votes(one), ties, has_tie, np.arange(1, 6))
            score = part.gradient(part.outcomes(theta))
            scores += [score] * int(fine.votes[row, outcome])
    factor = VOTERS / (VOTERS - 1) if cluster else 1.0
    meat = factor * sum(np.outer(score, score) for score in scores)
    np.testing.assert_allclose(
        found.sandwich, found.covariance @ meat @ found.covariance, atol=1e-9
    )


def test_votes_of_one_voter_that_resemble_each_other_show() -> None:
    """Voters lean to one side: each vote as a unit is too sure of the side effect."""
    board = crowd(voters=12)
    by_vote = maximum_likelihood(board).coefficient_se("sandwich")["side"]
    by_voter = maximum_likelihood(board, LikelihoodSettings(cluster="voter")).coefficient_se(
        "sandwich"
    )["side"]
    assert by_voter > 1.5 * by_vote
