"""Who is stronger than whom, and how sure that is."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import LinearColorMapper

from rostra.arena.ratings.plots.heat_map import heat_map
from rostra.arena.ratings.plots.names import by_rating
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.posterior import Posterior

SURE = 0.97


def superiority(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Heat map of P(row is stronger than column), contestants by rating."""
    order = by_rating(posterior)
    names = [posterior.contestants[i] for i in order]
    probability = posterior.pairs.superiority[np.ix_(order, order)]
    plot_values = probability.copy()
    np.fill_diagonal(plot_values, np.nan)
    upper = plot_values[np.triu_indices(len(names), 1)]
    known = int(np.isfinite(upper).sum())
    sure = int((np.maximum(upper, 1 - upper) >= SURE).sum())
    unknown = len(upper) - known
    plot = heat_map(
        plot_values,
        rows=names,
        columns=names,
        mapper=LinearColorMapper(
            palette=list(theme.diverging), low=0, high=1, nan_color=theme.surface
        ),
        inks=theme.diverging_ink,
        theme=theme,
        write=_written,
        tooltip="{row} is stronger than {column} with probability {value}.",
    )
    return Plot(
        name="superiority",
        title="Probability that the row is stronger than the column",
        text=(
            "In per cent; blue where the row is ahead. This is how sure the order is, not how "
            f"often the row wins. {sure:,} of {known:,} pairs are ordered with at least "
            f"{100 * SURE:.0f} %."
            + (f" {unknown:,} pairs are not linked by votes and stay empty." if unknown else "")
        ),
        figure=plot,
        table=pl.DataFrame({"contestant": names}).hstack(
            [pl.Series(name, probability[:, i]) for i, name in enumerate(names)]
        ),
    )


def _written(p: float) -> str:
    """Never certainty, also where all draws agree."""
    if p < 0.005:
        return "<1"
    return ">99" if p > 0.995 else f"{100 * p:.0f}"
