"""A board as the classical estimators read it: counts of three outcomes, with their weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.outcomes import TieRule
from rostra.arena.ratings.classical.weighting import Weighting
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import Anchor

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BothBad = Literal["out", "tie"]


@dataclass(frozen=True)
class LikelihoodSettings:
    """Which likelihood is maximised, over which votes, and how ratings are told."""

    ties: TieRule = "davidson"
    side: bool = True
    """Whether the answer on the left has an advantage of its own."""
    both_bad: BothBad = "out"
    """`out`: such votes say nothing on the order; `tie`: they are ties, as on LMSYS's boards."""
    style: tuple[str, ...] = ()
    """Covariates of the board that move the odds; strengths are then at equal style."""
    weighting: Weighting | None = None
    """None: each vote counts the same."""
    cluster: str | None = None
    """A factor of the board, usually `voter`, whose levels are the independent units of the
    sandwich; None: each vote is one."""
    anchor: Anchor = field(default_factory=Anchor)

    def __post_init__(self) -> None:
        if self.ties not in ("davidson", "rao-kupper", "half"):
            raise RatingsError(f"ties {self.ties!r} is none of davidson, rao-kupper, half")
        if self.both_bad not in ("out", "tie"):
            raise RatingsError(f"both_bad {self.both_bad!r} is none of out, tie")

    def check_anchor(self, board: Board) -> None:
        """Raises RatingsError for one that is no contestant of `board`."""
        if self.anchor.name is not None and self.anchor.name not in board.contestants:
            raise RatingsError(f"the anchor {self.anchor.name!r} is not a contestant")


@dataclass(frozen=True, eq=False)
class Rows:
    """Votes that bear on the order, one row for each cell of a board that has some."""

    left: IntArray
    """[rows]"""
    right: IntArray
    """[rows]"""
    votes: FloatArray
    """[rows, 3]: left wins, ties, right wins."""
    weight: FloatArray
    """[rows], of each vote."""
    extras: FloatArray
    """[rows, side and styles], what is added to the difference of strengths."""

    @classmethod
    def of(cls, board: Board, settings: LikelihoodSettings, keep: tuple[str, ...] = ()) -> Rows:
        """`keep`: factors that are told apart; the rows are then those of `cells`."""
        cells = board.by(*keep, covariates=settings.style)
        votes = three_outcomes(cells, settings.both_bad)
        extras = [np.ones(len(votes))] if settings.side else []
        extras += [cells.covariates[name] for name in settings.style]
        return cls(
            left=cells.left,
            right=cells.right,
            votes=votes,
            weight=_weights(cells, votes, settings.weighting),
            extras=np.stack(extras, axis=1) if extras else np.zeros((len(votes), 0)),
        )

    def at(self, chosen: NDArray[np.bool_]) -> Rows:
        """The rows where `chosen` [rows]."""
        return Rows(
            left=self.left[chosen],
            right=self.right[chosen],
            votes=self.votes[chosen],
            weight=self.weight[chosen],
            extras=self.extras[chosen],
        )

    def with_votes(self, votes: FloatArray) -> Rows:
        """The same rows with other counts."""
        return Rows(self.left, self.right, votes, self.weight, self.extras)


def three_outcomes(board: Board, both_bad: BothBad) -> FloatArray:
    """[cells, 3], left wins, ties, right wins."""
    votes = board.decided.astype(float)
    if both_bad == "tie":
        votes[:, 1] += board.both_bad
    return votes


def pair_votes(size: int, left: IntArray, right: IntArray, votes: FloatArray) -> FloatArray:
    """[contestants, contestants], symmetric, of `votes` [rows]."""
    ordered = np.bincount(left * size + right, votes, size * size).astype(float)
    ordered = ordered.reshape(size, size)
    return ordered + ordered.T


def _weights(cells: Board, votes: FloatArray, weighting: Weighting | None) -> FloatArray:
    if weighting is None:
        return np.ones(len(votes))
    met = pair_votes(len(cells.contestants), cells.left, cells.right, votes.sum(axis=1))
    return weighting.of_pairs(cells.contestants, met)[cells.left, cells.right]
