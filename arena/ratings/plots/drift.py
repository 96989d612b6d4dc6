"""How strengths moved, in a model that lets them."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from rostra.arena.ratings.plots.levels import level_table
from rostra.arena.ratings.plots.over_time import MOST, over_time
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.posterior import Posterior


def drift(posterior: Posterior, theme: Theme = LIGHT) -> Plot | None:
    """Ratings by period with their intervals; None for a model without drift."""
    if posterior.spec.structure != "drift":
        return None
    table = level_table(posterior).with_columns(
        at=pl.col("level").map_elements(datetime.fromisoformat, return_dtype=pl.Datetime("us"))
    )
    return Plot(
        name="drift",
        title=f"Ratings by {posterior.spec.factor}",
        text=(
            "Mean, 50 % (dark) and 94 % (light) interval of each period, all on one scale: "
            "contestants served under one name may change."
            + (
                f" The {MOST} highest rated are drawn; the table has all."
                if len(posterior.contestants) > MOST
                else ""
            )
        ),
        figure=over_time(table, theme),
        table=table.drop("at"),
    )
