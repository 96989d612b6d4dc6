"""Details of the rating maths that no published figure shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    EqualPairs,
    LikelihoodSettings,
    PairMix,
    maximum_likelihood,
    newton,
)
from rostra.arena.ratings.outcomes import (
    log_outcome_probabilities,
    outcome_probabilities,
)

TIES = ("davidson", "rao-kupper", "bradley-terry")


@pytest.mark.parametrize("ties", TIES)
def test_probabilities_of_tables_and_of_whole_numbers(ties: str) -> None:
    eta = [[-2, -1, 0], [1, 2, 3]]
    found = log_outcome_probabilities(ties, eta, 1)
    assert found.shape == (2, 3, 3)
    one_by_one = [[log_outcome_probabilities(ties, float(x), 1.0) for x in row] for row in eta]
    np.testing.assert_allclose(found, one_by_one)
    np.testing.assert_allclose(outcome_probabilities(ties, eta, 1).sum(axis=-1), 1)


COUNTS = np.array([[30, 4, 11], [9, 6, 14], [8, 3, 7]])
"""Of a-b, b-c and a-c: the pair that met most has far more than the others."""


def uneven() -> Board:
    left, right = [0, 1, 0], [1, 2, 2]
    return Board.of("abc", left, right, np.insert(COUNTS, 3, 0, axis=1))


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "half"])
def test_the_deviance_and_likelihood_of_weighted_votes(ties: str) -> None:
    """Against the definition: what one probability for each cell and outcome would reach."""
    settings = LikelihoodSettings(ties=ties, side=False, weighting=EqualPairs())
    found = maximum_likelihood(uneven(), settings)
    total = COUNTS.sum(axis=1)
    weight = total.mean() / total
    scale = weight[0] * total[0]
    cells = COUNTS[:, [0, 2]] + COUNTS[:, [1]] / 2 if ties == "half" else COUNTS
    shares = cells / total[:, None]
    saturated = (weight[:, None] * cells * np.log(shares)).sum()
    # Weights are told apart from votes by their sum alone; see that it is the one assumed here.
    np.testing.assert_allclose(weight * total, scale)
    assert found.deviance == pytest.approx(2 * (saturated - found.loglik), rel=1e-9)
    assert found.deviance > 0
    coefficients = gammaln(total + 1).sum() - gammaln(COUNTS + 1).sum()
    assert found.loglik_of_counts == pytest.approx(found.loglik + coefficients)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "half"])
def test_without_a_maximum_every_figure_is_unknown(ties: str) -> None:
    board = Board.from_comparisons([("a", "b", "a"), ("b", "c", "a")])
    found = maximum_likelihood(board, LikelihoodSettings(ties=ties, side=False))
    size = len(found.parameters)
    for matrix in (found.covariance, found.sandwich):
        assert matrix.shape == (size, size)
        assert np.isnan(matrix).all()
    assert np.isnan([found.loglik, found.loglik_of_counts, found.deviance, found.gradient]).all()
    assert found.iterations == 0
    assert np.isnan(found.sandwich_se).all()


def test_an_unseen_contestant_at_the_end_of_a_large_field(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a", "b", "a"), ("b", "c", "a"), ("c", "a", "a"), ("a", "c", "tie")]
    small = maximum_likelihood(Board.from_comparisons(rows), LikelihoodSettings(side=False))
    monkeypatch.setattr(newton, "DENSE", 0)
    settings = LikelihoodSettings(side=False, ties="half")
    found = maximum_likelihood(Board.from_comparisons(rows, "abcz"), settings)
    assert found.converged
    assert small.converged
    assert list(found.rated) == [True, True, True, False]


def test_ties_of_pairs_that_do_not_count_are_no_ties() -> None:
    rows = [("a", "b", "a"), ("b", "a", "a"), ("a", "b", "b"), *[("a", "c", "tie")] * 3]
    mix = PairMix({("a", "b"): 1.0})
    board = Board.from_comparisons(rows)
    found = maximum_likelihood(board, LikelihoodSettings(side=False, weighting=mix))
    assert found.converged
    assert found.coefficients["tie"] == -np.inf


def test_the_tie_parameter_where_there_is_none() -> None:
    won = Board.from_comparisons([("a", "b", "a"), ("b", "a", "a")])
    half = maximum_likelihood(won, LikelihoodSettings(ties="half"))
    assert set(half.coefficients) == {"side"}
    nothing = maximum_likelihood(Board.from_comparisons([], "ab"))
    assert np.isnan(nothing.coefficients["tie"])
    nobody = maximum_likelihood(Board.from_comparisons([], ()))
    assert nobody.ratings.shape == (0,)
