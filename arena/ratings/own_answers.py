"""Which answers are a judge's own: the covariate of self-preference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import JUDGE
from rostra.arena.ratings.models.values import judge_names
from rostra.arena.ratings.summary.judges import OWN

__all__ = ["OWN", "with_own"]


def with_own(board: Board, families: Mapping[str, Iterable[str]]) -> Board:
    """`board`, which has the factor `judge`, with the covariate `OWN`: 1 in verdicts where the left
    answer alone is of the judge's family, -1 where the right alone is, otherwise 0.

    `families`: by judge its contestants; the contestant that has a judge's name is always its own.
    The board as it is when no judge has any.

    Raises RatingsError for a judge or a contestant that is not there.
    """
    factor = board.factors[JUDGE]
    judges = judge_names(factor.levels)
    for judge, names in families.items():
        if judge not in judges:
            raise RatingsError(
                f"{judge!r} judged nothing; the judges are {', '.join(judges) or 'none'}"
            )
        for name in names:
            if name not in board.contestants:
                raise RatingsError(
                    f"{name!r} of the family of {judge!r} is not a contestant; there are "
                    + ", ".join(board.contestants)
                )
    is_own = np.zeros((len(factor.levels), len(board.contestants)))
    for place, level in enumerate(factor.levels):
        if level in judges:
            for name in {*families.get(level, ()), level} & {*board.contestants}:
                is_own[place, board.contestants.index(name)] = 1
    own = is_own[factor.codes, board.left] - is_own[factor.codes, board.right]
    if not own.any():
        return board
    return Board.of(
        board.contestants,
        board.left,
        board.right,
        board.table,
        board.factors,
        {**board.covariates, OWN: own},
    )
