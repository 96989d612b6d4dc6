"""Newman's iteration: Bradley-Terry with ties by fixed points that converge fast.

It has Davidson's model: with strengths pi = exp(theta) and his v, P(tie) is 2 v sqrt(pi_i pi_j)
over pi_i + pi_j + 2 v sqrt(pi_i pi_j), so that Davidson's nu is 2 v, and the optimum is the one
that Newton's method finds. No side effect, and none of his priors (Newman 2023, Journal of Machine
Learning Research 24, no. 238).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.rows import BothBad
from rostra.arena.ratings.classical.win_rate import win_matrix

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Newman:
    """Where the iteration stopped; its settings are the last three."""

    strengths: FloatArray
    """[contestants], natural log odds, up to a constant that is left as the iteration has it. NaN
    without `converged`."""
    nu: float
    """Davidson's, twice Newman's v; NaN without `converged`."""
    converged: bool
    """False where the strengths run away, as without any path of wins between two contestants."""
    iterations: int
    both_bad: BothBad
    tolerance: float
    limit: int


def newman(
    board: Board, *, both_bad: BothBad = "out", tolerance: float = 1e-10, limit: int = 10_000
) -> Newman:
    """Until no strength changes by more than `tolerance`, or `limit` iterations are done."""
    wins = win_matrix(board, both_bad, tie=0)
    ties = win_matrix(board, both_bad, tie=0.5) - wins
    scores = np.ones(len(wins))
    v, iteration, converged = 0.5, 0, False
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        while not converged and iteration < limit and np.isfinite(scores).all():
            iteration += 1
            there, v = _step(wins, ties, scores, v)
            converged = bool(np.abs(np.log(there / scores)).max(initial=0.0) < tolerance)
            scores = there
    if not converged:
        scores, v = np.full(len(wins), np.nan), np.nan
    return Newman(np.log(scores), 2 * v, converged, iteration, both_bad, tolerance, limit)


def _step(
    wins: FloatArray, ties: FloatArray, scores: FloatArray, v: float
) -> tuple[FloatArray, float]:
    """`ties` counts half of each tie for either side."""
    root = np.sqrt(np.outer(scores, scores))
    both = np.add.outer(scores, scores)
    total = both + 2 * v * root
    points = wins + ties
    gained = (points * (scores[None, :] + v * root) / total).sum(axis=1)
    # sqrt(pi_j / pi_i), from the loser's side.
    lost = (points.T * (1 + v * np.sqrt(scores[None, :] / scores[:, None])) / total).sum(axis=1)
    tied = (ties * both / total).sum()
    decided = 2 * (wins * root / total).sum()
    return gained / lost, tied / decided
