"""Ratings by level: of each category, or of each week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rostra.arena.ratings.summary.intervals import Interval, quantiles

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior


@dataclass(frozen=True)
class LevelRating:
    """One contestant at one level; see `Row` for what the numbers are."""

    level: str
    contestant: str
    rating: float
    sd: float
    eti_50: Interval
    eti_94: Interval
    rank_best: int
    rank_worst: int
    p_best: float
    votes: int
    """At this level."""
    caution: str


def level_ratings(posterior: Posterior) -> tuple[LevelRating, ...]:
    """Levels in ascending order, contestants of each by descending rating.

    Each level has the anchor of the whole: compare contestants within a level.
    """
    return tuple(rating for level in posterior.levels for rating in _at(posterior.at(level)))


def _at(posterior: Posterior) -> list[LevelRating]:
    assert posterior.level is not None
    ratings = posterior.ratings.reshape(-1, len(posterior.contestants))
    low_94, low_50, high_50, high_94 = quantiles(ratings).tolist()
    mean, sd = ratings.mean(axis=0).tolist(), ratings.std(axis=0, ddof=1).tolist()
    ranks, votes = posterior.ranks, posterior.board.votes
    rows = [
        LevelRating(
            level=posterior.level,
            contestant=name,
            rating=mean[i],
            sd=sd[i],
            eti_50=Interval(low_50[i], high_50[i]),
            eti_94=Interval(low_94[i], high_94[i]),
            rank_best=int(ranks.best[i]),
            rank_worst=int(ranks.worst[i]),
            p_best=float(ranks.p_best[i]),
            votes=int(votes[i]),
            caution=posterior.cautions.get(name, ""),
        )
        for i, name in enumerate(posterior.contestants)
    ]
    return sorted(rows, key=lambda row: -row.rating)
