"""A posterior reduced to one row for each contestant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rostra.arena.ratings.summary.field import field
from rostra.arena.ratings.summary.intervals import quantiles

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior


@dataclass(frozen=True)
class Row:
    """One contestant. Ratings are on the Elo scale, intervals equal-tailed."""

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
    win_rate: float | None
    """Posterior mean of the score against another contestant drawn uniformly from those that votes
    link it with, with no side effect: a win counts 1, a tie one half. None where there is none."""
    both_bad_rate: float | None
    """Share of its votes in which neither answer was good; None without votes."""
    tier: int = 1
    """1 the highest; see `rostra.arena.ratings.summary.tiers`."""
    group: int = 1
    """Which group of contestants linked by votes it belongs to, 1 the largest: ratings of
    different groups cannot be compared."""
    caution: str = ""
    """What about the rating rests on the prior and not on votes; empty where nothing does."""


def rating_rows(posterior: Posterior) -> tuple[Row, ...]:
    """Rows by descending rating."""
    ratings = posterior.ratings.reshape(-1, len(posterior.contestants))
    low_94, low_50, high_50, high_94 = quantiles(ratings).tolist()
    mean, sd = ratings.mean(axis=0).tolist(), ratings.std(axis=0, ddof=1).tolist()
    ranks, tiers, place = posterior.ranks, posterior.tiers, field(posterior)
    rows = [
        Row(
            contestant=name,
            rating=mean[i],
            sd=sd[i],
            eti_50=(low_50[i], high_50[i]),
            eti_94=(low_94[i], high_94[i]),
            rank_best=int(ranks.best[i]),
            rank_worst=int(ranks.worst[i]),
            p_best=float(ranks.p_best[i]),
            votes=int(place.votes[i]),
            win_rate=_known(place.score[i]),
            both_bad_rate=_known(place.both_bad_rate[i]),
            tier=int(tiers.tier[i]),
            group=int(posterior.groups[i]) + 1,
            caution=posterior.cautions.get(name, ""),
        )
        for i, name in enumerate(posterior.contestants)
    ]
    return tuple(sorted(rows, key=lambda row: -row.rating))


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
