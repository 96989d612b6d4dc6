"""Ratings at each level of a factor: categories and languages side by side, weeks along a line."""

from __future__ import annotations

import polars as pl

from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.levels import level_ratings


def level_table(posterior: Posterior) -> pl.DataFrame:
    """One row for each level and contestant, both in order, contestants by overall rating."""
    order = {row.contestant: place for place, row in enumerate(posterior.rows)}
    return pl.DataFrame(
        [
            {
                "level": row.level,
                "contestant": row.contestant,
                "rating": row.rating,
                "low_94": row.eti_94.low,
                "low_50": row.eti_50.low,
                "high_50": row.eti_50.high,
                "high_94": row.eti_94.high,
                "votes": row.votes,
            }
            for row in sorted(
                level_ratings(posterior), key=lambda row: (row.level, order[row.contestant])
            )
        ]
    )
