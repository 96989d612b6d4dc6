"""Credible intervals of the ratings, one line for each contestant."""

from __future__ import annotations

from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d
from bokeh.models.annotations import Title
from bokeh.plotting import figure

from rostra.arena.ratings.posterior import Posterior

ACCENT = "#0072B2"
GRID = "#E3E6EA"
TEXT = "#2B2F36"
MUTED = "#5E6672"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
FAILED = "Do not rely on these ratings"
ROW_HEIGHT = 24
MARGIN_HEIGHT = 110


def intervals(posterior: Posterior) -> figure:
    """Ratings in descending order: thin 94 %, thick 50 % equal-tailed interval, a dot at the mean.

    The number at the right edge is the mean. The height grows with the field; the width is the
    container's.
    """
    rows = posterior.table()
    source = ColumnDataSource(
        {
            "contestant": [row.contestant for row in rows],
            "rating": [row.rating for row in rows],
            "label": [f"{row.rating:.0f}" for row in rows],
            "low_50": [row.eti_50[0] for row in rows],
            "high_50": [row.eti_50[1] for row in rows],
            "low_94": [row.eti_94[0] for row in rows],
            "high_94": [row.eti_94[1] for row in rows],
            "ranks": [
                str(row.rank_best)
                if row.rank_best == row.rank_worst
                else f"{row.rank_best} to {row.rank_worst}"
                for row in rows
            ],
            "votes": [row.votes for row in rows],
        }
    )
    low = min(row.eti_94[0] for row in rows)
    high = max(row.eti_94[1] for row in rows)
    span = high - low
    plot = figure(
        y_range=FactorRange(factors=[row.contestant for row in reversed(rows)]),
        # Room on the right for the numbers, on a phone too.
        x_range=Range1d(start=low - 0.04 * span, end=high + 0.14 * span),
        height=ROW_HEIGHT * len(rows) + MARGIN_HEIGHT,
        sizing_mode="stretch_width",
        # A title does not wrap, so it is short; the sentences stand beside the figure.
        title=Title(
            text="" if posterior.diagnostics.ok else FAILED,
            text_font=FONT,
            text_font_size="14px",
            text_color=TEXT,
        ),
        x_axis_label=f"Rating, Elo scale ({posterior.settings.anchor})",
        toolbar_location=None,
        tools="",
    )
    thin = plot.segment(
        "low_94", "contestant", "high_94", "contestant", source=source, color=ACCENT, line_width=1.5
    )
    plot.segment(
        "low_50", "contestant", "high_50", "contestant", source=source, color=ACCENT, line_width=6
    )
    plot.scatter("rating", "contestant", source=source, size=9, color=ACCENT, line_color="white")
    plot.text(
        "high_94",
        "contestant",
        "label",
        source=source,
        x_offset=8,
        text_baseline="middle",
        text_font_size="12px",
        text_font=value(FONT),
        text_color=TEXT,
    )
    plot.add_tools(
        HoverTool(
            renderers=[thin],
            line_policy="interp",
            tooltips=[
                ("contestant", "@contestant"),
                ("rating", "@rating{0}"),
                ("50 %", "@low_50{0} to @high_50{0}"),
                ("94 %", "@low_94{0} to @high_94{0}"),
                ("rank, 94 %", "@ranks"),
                ("votes", "@votes{0,0}"),
            ],
        )
    )
    _style(plot)
    return plot


def _style(plot: figure) -> None:
    plot.outline_line_color = None
    plot.grid.grid_line_color = GRID
    plot.ygrid.grid_line_color = None
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font = FONT
    plot.axis.major_label_text_font_size = "13px"
    plot.axis.major_label_text_color = TEXT
    plot.axis.axis_label_text_font = FONT
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_color = MUTED
