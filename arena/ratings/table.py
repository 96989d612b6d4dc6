"""Draws of ratings reduced to one row for each contestant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.outcomes import expected_score
from rostra.arena.ratings.spec import Ties

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One contestant. Ratings are on the Elo scale.

    Intervals are equal-tailed: as much probability lies below as above (Gelman et al., Bayesian
    Data Analysis, 3rd ed., section 2.3). They keep their meaning when the scale is transformed.
    """

    contestant: str
    rating: float
    """Posterior mean."""
    sd: float
    """Posterior standard deviation."""
    eti_50: tuple[float, float]
    eti_94: tuple[float, float]
    rank_best: int
    rank_worst: int
    """Ranks, 1 the highest rating; between best and worst lies at least 94 % of the draws."""
    p_best: float
    """Probability that no other contestant is rated higher."""
    votes: int
    """Votes that the contestant took part in, both-bad votes included."""
    win_rate: float
    """Posterior mean of the score against another contestant drawn uniformly from the field, with
    no side effect: a win counts 1, a tie one half. So it does not depend on whom it happened to
    meet, as the plain share of its wins would."""
    both_bad_rate: float | None
    """Share of its votes in which neither answer was good; None without votes."""


def rating_rows(
    ratings: FloatArray, strengths: FloatArray, tie: FloatArray, ties: Ties, counts: Board
) -> list[Row]:
    """Rows by descending rating.

    `ratings` and `strengths`: [draws, contestants], Elo and natural log odds; `tie`: [draws].
    """
    low_94, low_50, high_50, high_94 = np.quantile(ratings, [0.03, 0.25, 0.75, 0.97], axis=0)
    ranks = rankdata(-ratings, axis=1, method="min")
    # A quantile that is itself a rank some draw has, not a point between two of them.
    best, worst = np.quantile(ranks, [0.03, 0.97], axis=0, method="inverted_cdf")
    mean, sd = ratings.mean(axis=0), ratings.std(axis=0, ddof=1)
    scores = expected_scores(strengths, tie, ties)
    rows = [
        Row(
            contestant=name,
            rating=float(mean[i]),
            sd=float(sd[i]),
            eti_50=(float(low_50[i]), float(high_50[i])),
            eti_94=(float(low_94[i]), float(high_94[i])),
            rank_best=int(best[i]),
            rank_worst=int(worst[i]),
            p_best=float((ranks[:, i] == 1).mean()),
            votes=int(counts.votes[i]),
            win_rate=float(scores[i]),
            both_bad_rate=(
                float(counts.votes_both_bad[i] / counts.votes[i]) if counts.votes[i] else None
            ),
        )
        for i, name in enumerate(counts.contestants)
    ]
    return sorted(rows, key=lambda row: -row.rating)


def expected_scores(strengths: FloatArray, tie: FloatArray, ties: Ties) -> FloatArray:
    """[contestants], posterior mean of the score against the rest of the field without sides."""
    size = strengths.shape[1]
    scores = np.zeros(size)
    for i in range(size):
        # One contestant at a time: all pairs of a large field and all draws would not fit.
        others = np.delete(strengths, i, axis=1)
        scores[i] = expected_score(ties, strengths[:, [i]] - others, tie[:, None]).mean()
    return scores


def superiority(strengths: FloatArray) -> FloatArray:
    """[contestants, contestants], share of `strengths` [draws, contestants] with row above column.

    One half on the diagonal.
    """
    size = strengths.shape[1]
    probabilities = np.full((size, size), 0.5)
    for i in range(size):
        above = (strengths[:, [i]] > strengths).mean(axis=0)
        probabilities[i, np.arange(size) != i] = above[np.arange(size) != i]
    return probabilities
