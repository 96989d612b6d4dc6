"""A forest plot: effects in rows, around zero."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from bokeh.models import ColumnDataSource, FactorRange, Range1d
from bokeh.plotting import figure

from rostra.arena.ratings.plots.interval_rows import end_labels, interval_rows
from rostra.arena.ratings.plots.theme import Theme, at_zero, style


def forest(table: pl.DataFrame, rows: Sequence[str], named: Sequence[str], theme: Theme) -> figure:
    """`table`: `mean`, `low_94`, `low_50`, `high_50` and `high_94` in Elo points, and the columns
    `named`, which a tooltip shows. `rows`: what stands beside each, from above."""
    data = table.to_dict(as_series=False)
    source = ColumnDataSource(
        {**data, "row": list(rows), "label": [f"{mean:+.0f}" for mean in data["mean"]]}
    )
    low, high = min(0, *data["low_94"]), max(0, *data["high_94"])
    room = 0.18 * (high - low or 1)
    plot = figure(
        y_range=FactorRange(factors=list(rows)[::-1]),
        x_range=Range1d(start=low - room, end=high + room),
        height=26 * len(rows) + 80,
        sizing_mode="stretch_width",
        max_width=1000,
        x_axis_label="Elo points",
        toolbar_location=None,
        tools="",
    )
    plot.add_layout(at_zero(theme))
    tooltips = [
        *((name, f"@{name}") for name in named),
        ("mean", "@mean{+0.0}"),
        ("94 %", "@low_94{+0.0} to @high_94{+0.0}"),
    ]
    interval_rows(plot, source, "row", "mean", theme, tooltips)
    end_labels(plot, source, "row", "label", theme)
    style(plot, theme)
    plot.ygrid.grid_line_color = None
    return plot
