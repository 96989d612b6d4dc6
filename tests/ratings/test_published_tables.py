"""The likelihood at its maximum against estimates that other people published."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from ratings_boards import board
from scipy.optimize import minimize
from scipy.special import xlogy

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.spec import ModelSpec

NO_TIES = -40.0
"""log nu at which ties have no probability: what is left is Bradley-Terry."""

# Agresti, Categorical Data Analysis, table 10.10, as in R's BradleyTerry2: wins and losses at home
# of the row team against the column team, American League East 1987.
TEAMS = ("Baltimore", "Boston", "Cleveland", "Detroit", "Milwaukee", "New York", "Toronto")
HOME_WINS = [
    [0, 1, 3, 1, 2, 2, 1],
    [6, 0, 5, 2, 5, 4, 3],
    [2, 4, 0, 3, 2, 4, 3],
    [4, 6, 6, 0, 3, 4, 4],
    [6, 6, 4, 4, 0, 4, 4],
    [6, 4, 4, 5, 3, 0, 2],
    [6, 4, 4, 4, 2, 2, 0],
]
HOME_LOSSES = [
    [0, 6, 4, 5, 5, 4, 6],
    [0, 0, 2, 5, 1, 2, 3],
    [4, 2, 0, 3, 5, 3, 4],
    [3, 0, 1, 0, 3, 3, 2],
    [0, 1, 2, 3, 0, 3, 2],
    [1, 3, 2, 1, 3, 0, 5],
    [0, 3, 2, 3, 5, 4, 0],
]

# Stigler 1994, Citation patterns in the journals of statistics and probability; Agresti, table
# 10.12, as in BradleyTerry2: how often the row is cited by the column.
JOURNALS = ("Biometrika", "Comm Statist", "JASA", "JRSS-B")
CITATIONS = [
    [0, 730, 498, 221],
    [33, 0, 68, 17],
    [320, 813, 0, 142],
    [284, 276, 325, 0],
]

# Davidson 1970, On extending the Bradley-Terry model to accommodate ties in paired comparison
# experiments, as in R's PlackettLuce: i, j, wins of i, wins of j, ties.
PUDDINGS = [
    (1, 2, 19, 22, 16),
    (1, 3, 16, 19, 12),
    (2, 3, 19, 19, 10),
    (1, 4, 18, 23, 13),
    (2, 4, 23, 19, 9),
    (3, 4, 19, 20, 15),
    (1, 5, 13, 19, 18),
    (2, 5, 16, 20, 12),
    (3, 5, 16, 15, 17),
    (4, 5, 17, 14, 16),
    (1, 6, 18, 21, 12),
    (2, 6, 22, 20, 12),
    (3, 6, 13, 18, 10),
    (4, 6, 14, 19, 18),
    (5, 6, 11, 21, 12),
]


def baseball() -> Board:
    wins, losses = np.array(HOME_WINS), np.array(HOME_LOSSES)
    home, away = np.nonzero(wins + losses)
    return board(
        TEAMS,
        home,
        away,
        wins[home, away],
        np.zeros_like(home),
        losses[home, away],
    )


def citations() -> Board:
    cited = np.array(CITATIONS)
    row, column = np.triu_indices(len(JOURNALS), k=1)
    return board(JOURNALS, row, column, cited[row, column], np.zeros_like(row), cited[column, row])


def puddings() -> Board:
    i, j, wins_i, wins_j, ties = np.array(sorted(PUDDINGS)).T
    return board(tuple("123456"), i - 1, j - 1, wins_i, ties, wins_j)


class Likelihood:
    """The model's own likelihood, priors left out, as a function of free parameters."""

    def __init__(self, counts: Board) -> None:
        self.size = len(counts.contestants)
        model = models.build(counts, ModelSpec(both_bad="out"))
        self._logp = model.compile_logp(vars=model.observed_RVs, mode="FAST_COMPILE")
        self._to_strengths = model.rvs_to_transforms[model["strength"]].backward

    def maximise(
        self, free: Callable[[NDArray[np.float64]], dict[str, float]], extra: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Strengths with the first at zero, the `extra` parameters, and the log-likelihood.

        `free` turns the extra parameters into values of `side` and `tie`.
        """

        def negative(x: NDArray[np.float64]) -> float:
            return -self._at(x[: self.size - 1], free(x[self.size - 1 :]))

        found = minimize(negative, np.zeros(self.size - 1 + extra), method="BFGS", tol=1e-7)
        strengths = self._to_strengths(pt.as_tensor(found.x[: self.size - 1])).eval()
        return strengths - strengths[0], found.x[self.size - 1 :], -found.fun

    def _at(self, strengths: NDArray[np.float64], others: dict[str, float]) -> float:
        point = {"strength_zerosum__": strengths, "scale_log__": np.array(0.0)}
        return float(self._logp(point | {name: np.array(at) for name, at in others.items()}))


def saturated(counts: Board) -> float:
    """Log-likelihood with each pair's own shares as probabilities."""
    votes = counts.decided
    return float(xlogy(votes, votes / votes.sum(axis=1, keepdims=True)).sum())


def test_baseball_without_home_effect() -> None:
    counts = baseball()
    strengths, _, logp = Likelihood(counts).maximise(
        lambda _: {"side": 0.0, "tie": NO_TIES}, extra=0
    )
    published = [0, 1.1077, 0.6839, 1.4364, 1.5814, 1.2476, 1.2945]
    np.testing.assert_allclose(strengths, published, atol=1e-3)
    assert 2 * (saturated(counts) - logp) == pytest.approx(44.0535, abs=1e-3)


def test_baseball_with_home_effect() -> None:
    counts = baseball()
    strengths, (home,), logp = Likelihood(counts).maximise(
        lambda x: {"side": x[0], "tie": NO_TIES}, extra=1
    )
    published = [0, 1.1438, 0.7047, 1.4754, 1.6196, 1.2813, 1.3271]
    np.testing.assert_allclose(strengths, published, atol=1e-3)
    assert home == pytest.approx(0.30226, abs=1e-3)
    assert 2 * (saturated(counts) - logp) == pytest.approx(38.6429, abs=1e-3)


def test_citations() -> None:
    strengths, _, _ = Likelihood(citations()).maximise(
        lambda _: {"side": 0.0, "tie": NO_TIES}, extra=0
    )
    np.testing.assert_allclose(strengths, [0, -2.94907, -0.47957, 0.26895], atol=1e-3)


def test_puddings_with_ties() -> None:
    strengths, (tie,), _ = Likelihood(puddings()).maximise(
        lambda x: {"side": 0.0, "tie": x[0]}, extra=1
    )
    assert np.exp(tie) == pytest.approx(0.746823, abs=1e-3)
    worths = np.exp(strengths) / np.exp(strengths).sum()
    published = [0.138803, 0.173002, 0.161747, 0.165373, 0.158685, 0.202389]
    np.testing.assert_allclose(worths, published, atol=1e-3)
