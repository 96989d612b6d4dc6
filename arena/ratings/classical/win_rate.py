"""Shares of wins and counts of them: what a board says without a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.rows import BothBad, three_outcomes

FloatArray = NDArray[np.float64]


def win_matrix(board: Board, both_bad: BothBad = "out", tie: float = 0.5) -> FloatArray:
    """[contestants, contestants], wins of the row over the column, a tie `tie` for both."""
    votes = three_outcomes(board, both_bad)
    size = len(board.contestants)
    wins = np.zeros((size, size))
    np.add.at(wins, (board.left, board.right), votes[:, 0] + tie * votes[:, 1])
    np.add.at(wins, (board.right, board.left), votes[:, 2] + tie * votes[:, 1])
    return wins


def average_win_rate(board: Board, both_bad: BothBad = "out") -> FloatArray:
    """[contestants], the mean over opponents met of the share won against each, ties as halves.

    Each opponent counts the same, however often it was met. NaN for who met nobody.
    """
    wins = win_matrix(board, both_bad)
    met = wins + wins.T
    share = np.divide(wins, met, out=np.zeros_like(wins), where=met > 0)
    opponents = (met > 0).sum(axis=1)
    return np.divide(
        share.sum(axis=1), opponents, out=np.full(len(wins), np.nan), where=opponents > 0
    )


def counting(board: Board, both_bad: BothBad = "out") -> FloatArray:
    """[contestants], wins, a tie as half of one: Copeland's score, which grows with votes."""
    return win_matrix(board, both_bad).sum(axis=1)
