"""What a reader of maximum-likelihood ratings must know, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.fitting import Fitted
from rostra.arena.ratings.classical.newton import Problem
from rostra.arena.ratings.classical.separation import named, separating, unidentified

FloatArray = NDArray[np.float64]


def sentences(
    board: Board, fitted: Fitted, sandwich: FloatArray, no_maximum: str | None
) -> Iterator[str]:
    groups, problem = fitted.groups, fitted.problem
    unplaced = int((groups.place != 0).sum())
    if groups.size.max(initial=1) == 1:
        yield "No two contestants can be compared: no finite estimate exists for anybody."
        return
    if unplaced:
        yield (
            f"{unplaced} of {len(board.contestants)} contestants have no finite estimate on the "
            "scale of the others."
        )
    if no_maximum is not None:
        yield no_maximum
        return
    unsure = (groups.place == 0) & np.isnan(np.diag(sandwich)[: problem.size])
    if unsure.any():
        who = ", ".join(np.array(board.contestants)[unsure][:5])
        yield f"The votes of {who} fit without any error, which the sandwich cannot measure from."
    if problem.ties != "half" and not problem.has_tie:
        yield "No vote is a tie: the tie parameter is minus infinity, the model Bradley-Terry's."


def why_none(problem: Problem, names: tuple[str, ...]) -> str:
    direction = unidentified(problem)
    if direction is not None:
        return (
            "Nothing is estimated: the votes cannot tell the strengths from "
            f"{named(problem, direction, names)}."
        )
    direction = separating(problem)
    if direction is not None:
        return (
            "Nothing is estimated: the likelihood grows without end in "
            f"{named(problem, direction, names)}."
        )
    return "Nothing is estimated: Newton's method found no maximum of the likelihood."
