"""arviz, given the votes one by one, is the reference."""

from __future__ import annotations

import dataclasses
import warnings

import arviz as az
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from ratings_boards import Truth, names, posterior_of, simulate

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.outcomes import log_outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.spec import ModelSpec, Ties
from rostra.arena.ratings.summary.comparison import Method, compare, expected

TRUTH = Truth(np.array([0.7, 0.1, -0.8]), side=0.0, tie=-0.3)
SHAPE = (4, 250)


def posterior(board: Board, shift: float = 0.0, ties: Ties = "davidson") -> Posterior:
    rng = np.random.default_rng(8)
    strengths = TRUTH.strengths * (1 - shift) + 0.15 * rng.normal(size=(*SHAPE, 3))
    template = posterior_of(np.zeros((1, 3)), board)
    return dataclasses.replace(
        template,
        draws={
            "strength": strengths,
            "side": 0.05 * rng.normal(size=SHAPE),
            "tie": TRUTH.tie + 0.1 * rng.normal(size=SHAPE),
        },
        spec=ModelSpec(ties=ties),
    )


def one_by_one(found: Posterior) -> az.InferenceData:
    """Log-likelihood of each vote for arviz, [chains, draws, votes]."""
    board = found.board
    logs: list[NDArray[np.float64]] = []
    for left, right, votes in zip(board.left, board.right, board.decided, strict=True):
        eta = found.strengths[..., left] - found.strengths[..., right] + found.side
        by_outcome = log_outcome_probabilities(found.spec.ties, eta, found.tie)
        for outcome in range(3):
            logs += [by_outcome[..., outcome]] * int(votes[outcome])
    return az.from_dict(
        posterior=dict(found.draws), log_likelihood={"votes": np.stack(logs, axis=-1)}
    )


@pytest.fixture(scope="module")
def board() -> Board:
    return simulate(np.random.default_rng(9), TRUTH, 300, both_bad=0.1)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper"])
@pytest.mark.parametrize("method", ["loo", "waic"])
def test_arviz_gives_the_same_vote_by_vote(board: Board, method: Method, ties: Ties) -> None:
    found = posterior(board, ties=ties)
    ours = expected(found, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = (az.loo if method == "loo" else az.waic)(one_by_one(found), pointwise=True)
    assert ours.elpd == pytest.approx(theirs[f"elpd_{method}"], rel=1e-9)
    assert ours.se == pytest.approx(theirs["se"], rel=1e-9)
    assert ours.p == pytest.approx(theirs[f"p_{method}"], rel=1e-6)
    assert ours.votes == theirs["n_data_points"] == board.num_decided
    assert ours.weights.sum() == board.num_decided


def test_arviz_compares_alike(board: Board) -> None:
    models = {"good": posterior(board), "worse": posterior(board, shift=0.9)}
    best, other = compare(models)
    theirs = az.compare({name: one_by_one(found) for name, found in models.items()})
    assert (best.name, other.name) == tuple(theirs.index)
    assert other.behind == pytest.approx(theirs.loc["worse", "elpd_diff"])
    assert other.behind_se == pytest.approx(theirs.loc["worse", "dse"])
    assert best.behind == best.behind_se == 0
    assert best.sentence == "good predicts a further vote best."
    assert "clearly worse" in other.sentence


def test_a_model_that_tells_more_apart_is_compared_vote_by_vote() -> None:
    table = [[40, 10, 10, 0], [10, 10, 40, 0]]
    by_category = Board.of(
        names(2), [0, 0], [1, 1], table, {"category": Factor(("code", "prose"), np.array([0, 1]))}
    )
    rng = np.random.default_rng(3)
    plain = posterior_of(0.05 * rng.normal(size=(500, 2)), by_category)
    level = np.array([[0.7, -0.7], [-0.7, 0.7]]) + 0.05 * rng.normal(size=(1, 500, 2, 2))
    categories = dataclasses.replace(
        plain,
        draws={**plain.draws, "level_strength": level},
        spec=ModelSpec(structure="categories", factor="category"),
    )
    best, other = compare({"plain": plain, "categories": categories}, "waic")
    assert best.name == "categories"
    assert other.behind > 10
    assert np.isnan(best.high_k)
    # The pooled votes are as likely under the plain model as those told apart.
    assert_allclose(other.elpd, expected(plain, "waic").elpd)


def test_models_of_other_votes_are_refused(board: Board) -> None:
    other = simulate(np.random.default_rng(10), TRUTH, 300)
    with pytest.raises(RatingsError, match="same votes"):
        compare({"one": posterior(board), "other": posterior(other)})
    as_ties = dataclasses.replace(posterior(board), spec=ModelSpec(both_bad="tie"))
    with pytest.raises(RatingsError, match="'both bad' as a tie"):
        compare({"one": posterior(board), "other": as_ties})


def test_models_without_a_density_of_each_vote_are_refused(board: Board) -> None:
    with pytest.raises(RatingsError, match="gives a tie no probability"):
        compare({"bt": posterior(board, ties="bradley-terry")})
    voters = dataclasses.replace(
        posterior(board), spec=ModelSpec(structure="voters", factor="voter")
    )
    with pytest.raises(RatingsError, match="not independent"):
        expected(voters)


def test_without_ties_bradley_terry_is_davidson_with_none() -> None:
    counts = Board.of(names(3), [0, 1, 0], [1, 2, 2], [[9, 0, 3, 0], [5, 0, 4, 1], [8, 0, 2, 0]])
    plain = posterior(counts, ties="bradley-terry")
    no_ties = {**posterior(counts).draws, "tie": np.full(SHAPE, -50.0)}
    davidson = dataclasses.replace(posterior(counts), draws=no_ties)
    assert expected(plain, "waic").elpd == pytest.approx(expected(davidson, "waic").elpd)
