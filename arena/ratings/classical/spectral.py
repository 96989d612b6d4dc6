"""Scores from the eigenvectors of who beat whom, ties as half wins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.rows import BothBad
from rostra.arena.ratings.classical.win_rate import win_matrix
from rostra.arena.ratings.errors import RatingsError

FloatArray = NDArray[np.float64]


def eigenvector(board: Board, both_bad: BothBad = "out") -> FloatArray:
    """[contestants], positive, of length 1: a score is the sum of the scores one beat.

    The first eigenvector of the matrix of wins (Keener 1993, SIAM Review 35). It is unique where
    the contestants are strongly connected by wins; otherwise NaN.
    """
    wins = win_matrix(board, both_bad)
    groups, _ = connected_components(wins, directed=True, connection="strong")
    if groups != 1:
        return np.full(len(wins), np.nan)
    values, vectors = np.linalg.eig(wins)
    first = np.real(vectors[:, np.argmax(np.real(values))])
    return np.abs(first) / np.linalg.norm(first)


def pagerank(board: Board, both_bad: BothBad = "out", damping: float = 0.85) -> FloatArray:
    """[contestants], sum 1: how often a walk is at each that goes from one to those who beat it.

    With probability 1 - `damping` the walk goes anywhere, as it does from who lost to nobody (Brin
    and Page 1998, Computer Networks 30).
    """
    if not 0 <= damping < 1:
        raise RatingsError(f"damping is {damping}; give 0 to 1, without 1")
    losses = win_matrix(board, both_bad).T
    size = len(losses)
    if not size:
        return np.zeros(0)
    total = losses.sum(axis=1, keepdims=True)
    walk = np.divide(losses, total, out=np.full_like(losses, 1 / size), where=total > 0)
    system = np.eye(size) - damping * walk.T
    return np.linalg.solve(system, np.full(size, (1 - damping) / size))
