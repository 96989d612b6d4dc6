"""The votes of a board as a model counts them."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.board import Board, IntArray
from rostra.arena.ratings.spec import ModelSpec


def votes(board: Board, spec: ModelSpec) -> IntArray:
    """[cells, 3], the votes that bear on the order: left wins, ties, right wins.

    "Both bad" is a tie where `spec` says so, and gone otherwise.
    """
    counts = np.array(board.decided)
    if spec.both_bad == "tie":
        counts[:, 1] += board.both_bad
    return counts


def counted(board: Board, spec: ModelSpec) -> Board:
    """The board of these `votes`, by what `board` tells apart; cells without any are gone."""
    counts = votes(board, spec)
    table = np.column_stack([counts, np.zeros(len(counts), dtype=np.int64)])
    return Board.of(
        board.contestants, board.left, board.right, table, board.factors, board.covariates
    )
