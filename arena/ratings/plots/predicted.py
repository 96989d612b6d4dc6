"""What the model predicts against what the voters said."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.small_multiples import small_multiples
from rostra.arena.ratings.plots.theme import LIGHT, Theme, style, ticks, title
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.predictive import Predictive

MOST = 1000
"""Pairs in the figure, those with the most votes; the table has all."""
SIDE = 330
"""Pixels; the width of a phone."""
PANELS = {"win": "Share of wins by pair", "tie": "Share of ties by pair"}


def predicted(posterior: Posterior, theme: Theme = LIGHT) -> Plot:
    """Shares by pair, wins of the first and ties, with 94 % of what replicated votes give."""
    checked = posterior.predictive
    table = _table(posterior, checked)
    known = table.drop_nulls("observed")
    panels = {words: known.filter(pl.col("outcome") == name) for name, words in PANELS.items()}
    outside = known.filter("outside").height / max(known.height, 1)
    few = (
        f" The {MOST:,} pairs with the most votes are drawn; the table has all."
        if len(checked.first) > MOST
        else ""
    )
    notes = " ".join(checked.notes) or "The checks find nothing that the model does not explain."
    return Plot(
        name="predicted",
        title="Predicted against observed",
        text=(
            "A dot is a pair, a bar holds 94 % of the shares in votes drawn from the model; on the "
            f"line both agree. {100 * outside:.1f} % of the dots lie outside their bars "
            f"(vermillion); chance alone leaves up to 6 %. {notes}{few}"
        ),
        figure=small_multiples(
            [_draw(panel.top_k(MOST, by="votes"), words, theme) for words, panel in panels.items()]
        ),
        table=table,
    )


def _table(posterior: Posterior, checked: Predictive) -> pl.DataFrame:
    names = np.array(posterior.contestants, dtype=object)
    shares = checked.pairs
    columns = np.broadcast_to(shares.votes, shares.observed.shape)
    return pl.concat(
        pl.DataFrame(
            {
                "outcome": [outcome] * len(checked.first),
                "first": names[checked.first].tolist(),
                "second": names[checked.second].tolist(),
                "votes": columns[:, i],
                "observed": shares.observed[:, i],
                "predicted": shares.predicted[:, i],
                "low_94": shares.low[:, i],
                "high_94": shares.high[:, i],
            }
        )
        for i, outcome in enumerate(PANELS)
    ).with_columns(
        pl.col("observed").fill_nan(None),
        outside=(pl.col("observed") < pl.col("low_94")) | (pl.col("observed") > pl.col("high_94")),
    )


def _draw(table: pl.DataFrame, words: str, theme: Theme) -> figure:
    source = ColumnDataSource(
        {
            **table.select(pl.col(pl.Float64).cast(pl.Float32)).to_dict(as_series=False),
            "votes": table["votes"].to_list(),
            "pair": [f"{a} and {b}" for a, b in table.select("first", "second").iter_rows()],
            "color": [theme.b if out else theme.a for out in table["outside"]],
            # As many votes as there are, up to what would hide the others.
            "size": np.clip(3 + np.sqrt(table["votes"].to_numpy()) / 4, 4, 10).astype(np.float32),
        }
    )
    numbers = table.select("observed", "predicted", "low_94", "high_94").to_numpy()
    low, high = (numbers.min(), numbers.max()) if numbers.size else (0, 1)
    room = 0.04 * max(high - low, 0.1)
    ends = (low - room, high + room)
    plot = figure(
        width=SIDE,
        height=SIDE,
        x_range=Range1d(start=ends[0], end=ends[1]),
        y_range=Range1d(start=ends[0], end=ends[1]),
        title=title(words, theme),
        x_axis_label="predicted",
        y_axis_label="observed",
        toolbar_location=None,
        tools="",
    )
    plot.line(ends, ends, color=theme.text_2, line_dash="dotted")
    alpha = 0.5 if table.height < 300 else 0.12
    plot.segment(
        "predicted",
        "low_94",
        "predicted",
        "high_94",
        source=source,
        color=theme.tie,
        line_alpha=alpha,
    )
    dots = plot.scatter(
        "predicted",
        "observed",
        source=source,
        size="size",
        fill_color="color",
        fill_alpha=0.75,
        line_color=None,
    )
    plot.add_tools(
        HoverTool(
            renderers=[dots],
            tooltips=[
                ("pair", "@pair"),
                ("votes", "@votes{0,0}"),
                ("observed", "@observed{0.00}"),
                ("predicted", "@predicted{0.00}, 94 % @low_94{0.00} to @high_94{0.00}"),
            ],
        )
    )
    style(plot, theme)
    ticks(plot.axis, 4)
    return plot
