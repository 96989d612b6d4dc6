"""The path of each chain."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from rostra.arena.ratings.plots.names import shortened
from rostra.arena.ratings.plots.parameters import watched
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.small_multiples import LONGEST_TITLE, WIDTH, small_multiples
from rostra.arena.ratings.plots.theme import LIGHT, Theme, style, ticks, title
from rostra.arena.ratings.posterior import Posterior

POINTS = 250
"""Of a chain; more than the pixels of a small figure cannot be told apart."""


def traces(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Small multiples, one for each parameter: draws in their order, a colour for each chain."""
    shown = watched(posterior)
    chains, draws = posterior.strengths.shape[:2]
    kept = np.unique(np.linspace(0, draws - 1, min(POINTS, draws)).astype(int))
    plots = []
    for name, values in shown.items():
        plot = figure(
            width=WIDTH,
            height=150,
            title=title(shortened([name], LONGEST_TITLE)[0], theme),
            x_range=Range1d(start=0, end=draws),
            toolbar_location=None,
            tools="",
        )
        source = ColumnDataSource(
            {"draw": kept.astype(np.int32)}
            | {str(chain): values[chain, kept].astype(np.float32) for chain in range(chains)}
        )
        for chain in range(chains):
            plot.line(
                "draw",
                str(chain),
                source=source,
                color=theme.chains[chain % len(theme.chains)],
                line_alpha=0.7,
                line_width=0.8,
            )
        plots.append(style(plot, theme))
        plot.grid.grid_line_color = None
        ticks(plot.axis, 3)
    return Plot(
        name="traces",
        title="Traces of the chains",
        text=(
            f"{chains} chains of {draws:,} draws, natural log odds; every parameter without "
            "dimensions and the strengths the chains agree on least. Chains that sampled well lie "
            f"over each other without drift. {posterior.diagnostics.sentence}"
        ),
        figure=small_multiples(plots),
        table=pl.DataFrame(
            {
                "chain": np.repeat(np.arange(chains), len(kept)),
                "draw": np.tile(kept, chains),
                **{name: values[:, kept].ravel() for name, values in shown.items()},
            }
        ),
    )
