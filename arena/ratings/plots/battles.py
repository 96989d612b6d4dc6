"""Who met whom, and how often."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import LogColorMapper

from rostra.arena.ratings.plots.heat_map import heat_map
from rostra.arena.ratings.plots.names import by_rating
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.posterior import Posterior


def battles(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Heat map of votes by pair, either side; contestants by rating, colours by the logarithm."""
    board, order = posterior.board, by_rating(posterior)
    names = [posterior.contestants[i] for i in order]
    met = np.zeros((len(names), len(names)))
    np.add.at(met, (board.left, board.right), board.table.sum(axis=1))
    met = (met + met.T)[np.ix_(order, order)]
    upper = met[np.triu_indices(len(names), 1)]
    never = int((upper == 0).sum())
    plot = heat_map(
        np.where(met > 0, met, np.nan),
        rows=names,
        columns=names,
        mapper=LogColorMapper(
            palette=list(theme.sequential),
            low=1,
            high=max(2, float(met.max())),
            nan_color=theme.surface,
        ),
        inks=theme.sequential_ink,
        theme=theme,
        write=_short,
        tooltip="{row} and {column} met in {value} votes.",
    )
    return Plot(
        name="battles",
        title="Votes by pair",
        text=(
            f"{posterior.board.num_votes:,} votes over {len(upper):,} pairs, "
            + (f"{never:,} of which never met (empty cells). " if never else "all of which met. ")
            + "Even coverage makes the ratings precise; a "
            "dark row is a contestant that was sampled more."
        ),
        figure=plot,
        table=pl.DataFrame({"contestant": names}).hstack(
            [pl.Series(name, met[:, i].astype(np.int64)) for i, name in enumerate(names)]
        ),
    )


def _short(number: float) -> str:
    if number < 1000:
        return f"{number:.0f}"
    return f"{number / 1000:.1f}k" if number < 10_000 else f"{number / 1000:.0f}k"
