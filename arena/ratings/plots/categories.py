"""Ratings by category, as small multiples on one scale."""

from __future__ import annotations

import polars as pl
from bokeh.models import ColumnDataSource, FactorRange, Range1d
from bokeh.plotting import figure

from rostra.arena.ratings.plots.interval_rows import interval_rows
from rostra.arena.ratings.plots.levels import level_table
from rostra.arena.ratings.plots.names import fitted, shortened
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.small_multiples import WIDTH, small_multiples
from rostra.arena.ratings.plots.theme import LIGHT, Theme, style, ticks, title
from rostra.arena.ratings.posterior import Posterior

MOST = 30
"""Contestants in the figure; the table has all."""
NAMES = 0.45
"""Of the width, for names; leaves half of a small figure to the intervals."""
NAME_SIZE = "11px"


def categories(posterior: Posterior, theme: Theme = LIGHT) -> Plot | None:
    """A forest plot for each level, contestants in the order of the overall ratings.

    None for a posterior that has no strengths by category.
    """
    if posterior.spec.structure != "categories":
        return None
    table = level_table(posterior)
    names = table["contestant"].unique(maintain_order=True).to_list()
    shown = table.filter(pl.col("contestant").is_in(names[:MOST]))
    low, high = float(shown["low_94"].min()), float(shown["high_94"].max())  # type: ignore[arg-type]
    room = 0.05 * (high - low)
    plots = [
        _draw(part, str(level), (low - room, high + room), theme)
        for (level,), part in shown.group_by("level", maintain_order=True)
    ]
    few = f" The {MOST} highest rated are drawn; the table has all." if len(names) > MOST else ""
    return Plot(
        name="categories",
        title=f"Ratings by {posterior.spec.factor}",
        text=(
            "On one scale, in the order of the overall ratings; what falls out of line is what a "
            "contestant does better or worse there. Levels with few votes are drawn towards the "
            f"overall rating.{few}"
        ),
        figure=small_multiples(plots),
        table=table,
    )


def _draw(part: pl.DataFrame, level: str, ends: tuple[float, float], theme: Theme) -> figure:
    names = part["contestant"].to_list()
    source = ColumnDataSource(part.to_dict(as_series=False))
    plot = figure(
        width=WIDTH,
        height=18 * len(names) + 86,
        x_range=Range1d(start=ends[0], end=ends[1]),
        y_range=FactorRange(factors=names[::-1]),
        title=title(f"{shortened([level], 24)[0]}\n{_votes(part)} votes", theme),
        toolbar_location=None,
        tools="",
    )
    tooltips = [
        ("contestant", "@contestant"),
        ("rating", "@rating{0}"),
        ("94 %", "@low_94{0} to @high_94{0}"),
        ("votes here", "@votes{0,0}"),
    ]
    interval_rows(plot, source, "contestant", "rating", theme, tooltips, thin=1.2, thick=4, size=6)
    style(plot, theme)
    plot.ygrid.grid_line_color = None
    ticks(plot.xaxis, 3)
    plot.yaxis.major_label_text_font_size = NAME_SIZE
    plot.yaxis.formatter = fitted(share=NAMES, widest=WIDTH, size=NAME_SIZE)
    return plot


def _votes(part: pl.DataFrame) -> str:
    """Each vote is one of two contestants'."""
    return f"{int(part['votes'].sum()) // 2:,}"
