"""Ratings at each level of a factor: categories and languages side by side, weeks along a line."""

from __future__ import annotations

import numpy as np
import polars as pl

from rostra.arena.ratings.plots.names import by_rating
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.intervals import quantiles


def level_table(posterior: Posterior) -> pl.DataFrame:
    """One row for each level and contestant, both in order, contestants by overall rating.

    Empty for a posterior without levels.
    """
    order = by_rating(posterior)
    names = [posterior.contestants[i] for i in order]
    tables = []
    for level in posterior.levels:
        at = posterior.at(level)
        ratings = at.ratings.reshape(-1, len(names))[:, order]
        low_94, low_50, high_50, high_94 = quantiles(ratings)
        tables.append(
            pl.DataFrame(
                {
                    "level": [level] * len(names),
                    "contestant": names,
                    "rating": ratings.mean(axis=0),
                    "low_94": low_94,
                    "low_50": low_50,
                    "high_50": high_50,
                    "high_94": high_94,
                    "votes": at.board.votes[order].astype(np.int64),
                }
            )
        )
    return pl.concat(tables) if tables else pl.DataFrame()
