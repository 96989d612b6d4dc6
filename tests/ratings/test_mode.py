from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_boards import League, normal_posterior
from ratings_boards import made_up_posterior
from scipy.optimize import minimize

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.outcomes import log_outcome_probabilities
from rostra.arena.ratings.spec import ModelSpec, Priors, Ties
from rostra.arena.ratings.summary.mode import Mode, Problem, mode

SPREAD = 0.7


def problem(spec: ModelSpec, seed: int = 3) -> Problem:
    votes = League(strengths=np.array([0.8, 0.3, -0.1, -1.0]), votes=400, side=0.2).draw(seed)
    template = made_up_posterior(np.zeros(4), draws=2)
    scale = np.full((4, 2), SPREAD)
    posterior = replace(template, board=votes.board(), spec=spec, draws={"scale": scale})
    return Problem.of(posterior)


def log_posterior(at: np.ndarray, of: Problem) -> float:
    """From the definitions."""
    probabilities = log_outcome_probabilities(of.spec.ties, of.eta(at), at[-1])
    votes = of.votes
    if of.spec.ties == "bradley-terry":
        votes = votes[:, [0, 2]] + votes[:, [1]] / 2
        probabilities = probabilities[:, [0, 2]]
    priors = Priors()
    sds = [SPREAD] * of.size + [priors.side_sd] * of.spec.side + [priors.tie_sd]
    return float((votes * probabilities).sum() - ((at / np.array(sds)) ** 2).sum() / 2)


@pytest.mark.parametrize("side", [True, False])
@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_nothing_is_higher_than_the_mode(ties: Ties, side: bool) -> None:
    of = problem(ModelSpec(ties=ties, side=side))
    found = mode(of)
    best = minimize(lambda at: -log_posterior(at, of), np.zeros(len(found.parameters)), tol=1e-10)
    assert found.parameters == pytest.approx(best.x, abs=1e-4)
    assert found.strengths.sum() == pytest.approx(0, abs=1e-9)
    # The curvature, by differences of the gradient's direction: along each axis.
    step = 1e-3
    information = np.linalg.inv(found.covariance)
    for axis in np.eye(len(found.parameters)):
        around = [log_posterior(found.parameters + sign * step * axis, of) for sign in (1, 0, -1)]
        second = (around[0] - 2 * around[1] + around[2]) / step**2
        assert axis @ information @ axis == pytest.approx(-second, rel=1e-3)


def test_an_undefeated_contestant_has_a_finite_strength() -> None:
    board = Board.from_comparisons([("ant", "bee", "a")] * 9 + [("bee", "cat", "a")] * 4)
    found = mode(Problem.of(normal_posterior(board, ModelSpec())))
    assert np.isfinite(found.parameters).all()
    assert found.order.tolist() == [0, 1, 2]


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_the_effect_of_a_vote_is_that_of_a_fit_with_a_little_more_of_it(ties: Ties) -> None:
    of = problem(ModelSpec(ties=ties))
    found = mode(of)
    direction = np.zeros(len(found.parameters))
    direction[0], direction[1] = 1, -1
    effects = found.effects(direction)
    for cell, outcome in ((0, 0), (3, 1), (7, 2)):
        more = of.votes.copy()
        more[cell, outcome] += 1e-4
        change = (mode(of.with_votes(more)).parameters - found.parameters) @ direction
        assert effects[cell, outcome] == pytest.approx(change / 1e-4, rel=1e-3)


def test_gradients_sum_to_what_the_prior_holds_against_them() -> None:
    found = mode(problem(ModelSpec()))
    groups = np.arange(len(found.problem.left)) % 3
    total = found.gradients(groups, 3).toarray().sum(axis=0)
    assert total == pytest.approx(found.problem.precision * found.parameters, abs=1e-8)


def test_resampling_agrees_with_effects() -> None:
    found: Mode = mode(problem(ModelSpec()))
    other = found.problem.votes.copy()
    other[2, 0] += 3
    other[5, 1] = 0
    moved = found.resampled(other[None])[0] - found.parameters
    by_effects = [
        (found.effects(axis) * (other - found.problem.votes)).sum()
        for axis in np.eye(len(found.parameters))
    ]
    assert moved == pytest.approx(by_effects, abs=1e-9)


def test_both_bad_counts_as_the_model_counts_it() -> None:
    board = Board.from_comparisons([("ant", "bee", "a"), ("ant", "bee", "both_bad")])
    for both_bad, ties in (("own", 0), ("tie", 1), ("out", 0)):
        of = Problem.of(normal_posterior(board, ModelSpec(both_bad=both_bad)))
        assert of.votes.tolist() == [[1, ties, 0]]
