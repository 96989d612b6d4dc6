"""Which rank each contestant may hold."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import LinearColorMapper

from rostra.arena.ratings.plots.heat_map import heat_map
from rostra.arena.ratings.plots.names import by_rating
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.posterior import Posterior

LEAST = 0.005
"""A lower probability leaves its cell empty."""


def ranks(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Heat map: contestants by rating, probability of each rank."""
    order = by_rating(posterior)
    names = [posterior.contestants[i] for i in order]
    probability = posterior.ranks.distribution[order]
    shown = np.where(probability >= LEAST, probability, np.nan)
    places = [str(rank) for rank in range(1, len(names) + 1)]
    leaders = [row for row in posterior.rows if row.rank_best == 1]
    mapper = LinearColorMapper(palette=list(theme.sequential), low=0, nan_color=theme.surface)
    mapper.high = max(0.5, float(probability.max()))
    plot = heat_map(
        shown,
        rows=names,
        columns=places,
        mapper=mapper,
        inks=theme.sequential_ink,
        theme=theme,
        write=lambda p: f"{max(1.0, 100 * p):.0f}",
        tooltip="{row} holds rank {column} with probability {value}.",
        label="Rank",
    )
    return Plot(
        name="ranks",
        title="Probability of each rank",
        text=(
            "In per cent, over the draws. "
            f"{len(leaders)} of {len(names)} may be the best: the 94 % range of ranks begins at 1."
        ),
        figure=plot,
        table=pl.DataFrame({"contestant": names}).hstack(
            [pl.Series(f"rank_{place}", probability[:, i]) for i, place in enumerate(places)]
        ),
    )
