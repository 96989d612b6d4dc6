"""Intervals of a figure, one to a row: what all figures of ratings and effects have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from rostra.arena.ratings.plots.theme import Theme, dot, ink


def interval_rows(
    plot: figure,
    source: ColumnDataSource,
    row: str,
    middle: str,
    theme: Theme,
    tooltips: Sequence[tuple[str, str]],
    *,
    thin: float = 1.5,
    thick: float = 6,
    size: int = 8,
) -> None:
    """Draws `low_94` to `high_94` thin, `low_50` to `high_50` thick and a dot at `middle`.

    `row`: column of `source` that is the place on the y axis. `size`: of the dot, in pixels, as the
    widths of the lines are. `tooltips` are shown along the thin line.
    """
    look: dict[str, Any] = {"source": source, "color": theme.a}
    outer = plot.segment("low_94", row, "high_94", row, line_width=thin, **look)
    plot.segment("low_50", row, "high_50", row, line_width=thick, **look)
    plot.scatter(middle, row, source=source, **dot(theme, size))
    hover = HoverTool(renderers=[outer], line_policy="interp", tooltips=list(tooltips))
    plot.add_tools(hover)


def end_labels(plot: figure, source: ColumnDataSource, row: str, label: str, theme: Theme) -> None:
    """Writes the column `label` to the right of each row's interval."""
    plot.text("high_94", row, label, source=source, x_offset=8, **ink(theme))
