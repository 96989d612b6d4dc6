"""Credible intervals of the ratings, one line for each contestant."""

from __future__ import annotations

import polars as pl
from bokeh.models import ColumnDataSource, FactorRange, Range1d
from bokeh.plotting import figure

from rostra.arena.ratings.plots.interval_rows import end_labels, interval_rows
from rostra.arena.ratings.plots.names import fitted, span
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme, style, ticks, title
from rostra.arena.ratings.posterior import Posterior

FAILED = "Do not rely on these ratings"
ROW_HEIGHT = 24
MARGIN_HEIGHT = 110
WIDEST = 1000
"""Pixels."""
NAMES = 0.32
"""Of the width, for names; leaves half of a phone to the intervals."""


def intervals(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Ratings in descending order: thin 94 %, thick 50 % equal-tailed interval, a dot at the mean.

    The number at the right edge is the mean. The height grows with the field; the width is the
    container's.
    """
    first = posterior.rows[0]
    return Plot(
        name="ratings",
        title="Ratings with their intervals",
        text=(
            "Mean (dot), 50 % (thick) and 94 % (thin) credible interval, highest rating first. "
            f"{first.contestant} leads with {first.rating:.0f} points, 94 % between "
            f"{first.eti_94[0]:.0f} and {first.eti_94[1]:.0f}; it may hold "
            f"{_ranks(first.rank_best, first.rank_worst)} of {len(posterior.rows)}. "
            f"The scale: {posterior.settings.anchor}."
        ),
        figure=_draw(posterior, theme),
        table=table(posterior),
    )


def table(posterior: Posterior) -> pl.DataFrame:
    """One row for each contestant, by descending rating."""
    return pl.DataFrame(
        [
            {
                "contestant": row.contestant,
                "rating": row.rating,
                "low_94": row.eti_94[0],
                "low_50": row.eti_50[0],
                "high_50": row.eti_50[1],
                "high_94": row.eti_94[1],
                "rank_best": row.rank_best,
                "rank_worst": row.rank_worst,
                "votes": row.votes,
            }
            for row in posterior.rows
        ]
    )


def _draw(posterior: Posterior, theme: Theme) -> figure:
    rows = posterior.rows
    data = table(posterior).to_dict(as_series=False)
    source = ColumnDataSource(
        {
            **data,
            "label": [f"{row.rating:.0f}" for row in rows],
            "ranks": [span((row.rank_best, row.rank_worst)) for row in rows],
        }
    )
    low, high = min(data["low_94"]), max(data["high_94"])
    width = high - low
    plot = figure(
        y_range=FactorRange(factors=data["contestant"][::-1]),
        # Room on the right for the numbers, on a phone too.
        x_range=Range1d(start=low - 0.04 * width, end=high + 0.38 * width),
        height=ROW_HEIGHT * len(rows) + MARGIN_HEIGHT,
        sizing_mode="stretch_width",
        max_width=WIDEST,
        # A title does not wrap, so it is short; the sentences stand beside the figure.
        title=title("" if posterior.diagnostics.ok else FAILED, theme),
        x_axis_label="Rating",
        toolbar_location=None,
        tools="",
    )
    tooltips = [
        ("contestant", "@contestant"),
        ("rating", "@rating{0}"),
        ("50 %", "@low_50{0} to @high_50{0}"),
        ("94 %", "@low_94{0} to @high_94{0}"),
        ("rank, 94 %", "@ranks"),
        ("votes", "@votes{0,0}"),
    ]
    interval_rows(plot, source, "contestant", "rating", theme, tooltips)
    end_labels(plot, source, "contestant", "label", theme)
    style(plot, theme)
    plot.ygrid.grid_line_color = None
    # Whoever hovers, or looks at the table, reads them whole.
    plot.yaxis.formatter = fitted(share=NAMES, widest=WIDEST)
    ticks(plot.xaxis, 3)
    return plot


def _ranks(best: int, worst: int) -> str:
    return f"rank {best}" if best == worst else f"ranks {best} to {worst}"
