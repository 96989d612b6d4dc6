"""Ratings along time, one small figure for each contestant, all on one scale."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

import polars as pl
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Range1d, Row
from bokeh.plotting import figure

from rostra.arena.ratings.plots.names import shortened
from rostra.arena.ratings.plots.small_multiples import LONGEST_TITLE, WIDTH, small_multiples
from rostra.arena.ratings.plots.theme import LIGHT, Theme, style, ticks, title

MOST = 24
"""Contestants in a figure; its table has all."""


def over_time(table: pl.DataFrame, theme: Theme = LIGHT) -> Row:
    """`table`: columns `at` (Datetime), `contestant`, `rating`, `low_94`, `low_50`, `high_50`,
    `high_94`; contestants in the order they are to be shown in."""
    names = table["contestant"].unique(maintain_order=True).to_list()[:MOST]
    shown = table.filter(pl.col("contestant").is_in(names))
    low, high = float(shown["low_94"].min()), float(shown["high_94"].max())  # type: ignore[arg-type]
    room = 0.05 * (high - low)
    first, last = cast("datetime", shown["at"].min()), cast("datetime", shown["at"].max())
    # One moment alone has no width of its own.
    edge = max((last - first) * 0.03, timedelta(hours=12))
    return small_multiples(
        [
            _draw(
                shown.filter(pl.col("contestant") == name),
                name,
                Range1d(start=first - edge, end=last + edge),
                Range1d(start=low - room, end=high + room),
                theme,
            )
            for name in names
        ]
    )


def _draw(
    part: pl.DataFrame, name: str, x_range: Range1d, y_range: Range1d, theme: Theme
) -> figure:
    source = ColumnDataSource(part.sort("at").to_dict(as_series=False))
    plot = figure(
        width=WIDTH,
        height=160,
        x_range=x_range,
        y_range=y_range,
        x_axis_type="datetime",
        title=title(shortened([name], LONGEST_TITLE)[0], theme),
        toolbar_location=None,
        tools="",
    )
    plot.varea("at", "low_94", "high_94", source=source, fill_color=theme.a, fill_alpha=0.16)
    plot.varea("at", "low_50", "high_50", source=source, fill_color=theme.a, fill_alpha=0.3)
    plot.line("at", "rating", source=source, color=theme.a, line_width=1.5)
    # Bars besides the bands: a single moment has no area.
    plot.segment("at", "low_94", "at", "high_94", source=source, color=theme.a, line_alpha=0.4)
    dots = plot.scatter("at", "rating", source=source, size=5, color=theme.a)
    plot.add_tools(
        HoverTool(
            renderers=[dots],
            mode="vline",
            tooltips=[
                ("on", "@at{%F}"),
                ("rating", "@rating{0}"),
                ("94 %", "@low_94{0} to @high_94{0}"),
            ],
            formatters={"@at": "datetime"},
        )
    )
    style(plot, theme)
    plot.xgrid.grid_line_color = None
    ticks(plot.axis, 3)
    plot.xaxis.formatter = DatetimeTickFormatter(
        hours="%H:%M", days="%-d %b", months="%b %Y", years="%Y"
    )
    return plot
