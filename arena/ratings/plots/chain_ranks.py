"""Rank plots of the chains."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray
from scipy.stats import rankdata

from rostra.arena.ratings.plots.names import shortened
from rostra.arena.ratings.plots.parameters import watched
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.small_multiples import LONGEST_TITLE, WIDTH, small_multiples
from rostra.arena.ratings.plots.theme import LIGHT, Theme, style, ticks, title
from rostra.arena.ratings.posterior import Posterior

BINS = 20


def chain_ranks(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Small multiples: histograms of the ranks of each chain's draws among all draws.

    Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021, Rank-normalization, folding, and
    localization: an improved R-hat, section 4.2.
    """
    found = {name: histogram(values) for name, values in watched(posterior).items()}
    chains, draws = posterior.strengths.shape[:2]
    expected = draws / BINS
    # The binomial's 94 %, by the normal curve: what chance alone leaves a bin of one chain.
    band = 1.88 * np.sqrt(expected * (1 - 1 / BINS))
    most = max(float(counts.max()) for counts in found.values()) if found else 1.0
    edges = np.linspace(0, chains * draws, BINS + 1)
    plots = []
    for name, counts in found.items():
        plot = figure(
            width=WIDTH,
            height=150,
            title=title(shortened([name], LONGEST_TITLE)[0], theme),
            x_range=Range1d(start=0, end=chains * draws),
            y_range=Range1d(start=0, end=1.05 * max(most, expected + band)),
            toolbar_location=None,
            tools="",
        )
        plot.varea(
            [0, chains * draws],
            expected - band,
            expected + band,
            fill_color=theme.tie,
            fill_alpha=0.2,
        )
        for chain, bars in enumerate(counts):
            plot.step(
                edges,
                [*bars, bars[-1]],
                mode="after",
                color=theme.chains[chain % len(theme.chains)],
                line_width=1.2,
            )
        plots.append(style(plot, theme))
        plot.grid.grid_line_color = None
        ticks(plot.axis, 3)
    outside = sum(int((np.abs(counts - expected) > band).sum()) for counts in found.values())
    bars = chains * BINS * len(found)
    return Plot(
        name="chain-ranks",
        title="Rank plots of the chains",
        text=(
            "How often the draws of each chain hold each rank among all draws. Chains that explore "
            "the same posterior are level; the grey band holds 94 % of the steps if draws were "
            f"independent. {outside} of {bars} steps lie outside."
        ),
        figure=small_multiples(plots),
        table=pl.concat(
            pl.DataFrame(
                {
                    "parameter": [name] * (chains * BINS),
                    "chain": np.repeat(np.arange(chains), BINS),
                    "rank_from": np.tile(edges[:-1], chains),
                    "draws": counts.ravel(),
                }
            )
            for name, counts in found.items()
        )
        if found
        else pl.DataFrame({"parameter": [], "chain": [], "rank_from": [], "draws": []}),
    )


def histogram(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """[chains, BINS], how many draws of `values` [chains, draws] fall into each bin of ranks."""
    ranks = rankdata(values, method="average").reshape(values.shape)
    edges = np.linspace(0.5, values.size + 0.5, BINS + 1)
    return np.stack([np.histogram(chain, edges)[0] for chain in ranks])
