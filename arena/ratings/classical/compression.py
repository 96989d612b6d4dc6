"""How much narrower a scale gets when a tie is counted as half a win.

Half a win for each says that the two are equal. Where equals tie often and unequals do, too, each
tie pulls two ratings together, so a board with ties as halves has a narrower scale than the odds of
winning among votes that decide, which Davidson's model rates. Ranks hardly change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.maximum_likelihood import maximum_likelihood
from rostra.arena.ratings.classical.rows import BothBad, LikelihoodSettings


@dataclass(frozen=True)
class Compression:
    """Half-tie ratings as a linear function of Davidson's."""

    slope: float
    """By least squares: points of a half-tie board for one point of Davidson's. NaN where fewer
    than two contestants have both."""
    correlation: float
    contestants: int
    """That have both ratings."""

    @property
    def sentence(self) -> str:
        if not np.isfinite(self.slope):
            return "Too few contestants are rated to compare scales of ratings."
        return (
            "Ratings that count a tie as half a win are on a compressed scale: here one point of "
            f"difference with modelled ties is {self.slope:.2f} points there."
        )


def compression(board: Board, *, side: bool = True, both_bad: BothBad = "out") -> Compression:
    """Of the two maximum-likelihood fits to this board."""
    half = maximum_likelihood(board, LikelihoodSettings(ties="half", side=side, both_bad=both_bad))
    davidson = maximum_likelihood(
        board, LikelihoodSettings(ties="davidson", side=side, both_bad=both_bad)
    )
    both = half.rated & davidson.rated
    y, x = half.strengths[both], davidson.strengths[both]
    if both.sum() < 2 or not np.ptp(x) > 0:
        return Compression(np.nan, np.nan, int(both.sum()))
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    correlation = float(x @ y / spread) if spread > 0 else np.nan
    return Compression(float(x @ y / (x @ x)), correlation, int(both.sum()))
