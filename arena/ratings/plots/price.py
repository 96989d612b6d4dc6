"""What quality costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool
from bokeh.plotting import figure

from rostra.arena.ratings.plots.names import listed, shortened
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme, ink, style, ticks
from rostra.arena.ratings.posterior import Posterior

LONGEST_NAME = 24
"""Characters, on the figure."""


def price(
    posterior: Posterior, prices: Mapping[str, float], currency: str = "", theme: Theme = LIGHT
) -> Plot | None:
    """Rating against price, with the Pareto front: no other is both better and cheaper.

    `prices`: of a million output tokens by contestant, all in `currency`; those without are left
    out. None when fewer than two have a price.
    """
    rows = [row for row in posterior.rows if row.contestant in prices]
    if len(rows) < 2:
        return None
    costs = [float(prices[row.contestant]) for row in rows]
    front = pareto([row.rating for row in rows], costs)
    table = pl.DataFrame(
        {
            "contestant": [row.contestant for row in rows],
            "price": costs,
            "rating": [row.rating for row in rows],
            "low_94": [row.eti_94[0] for row in rows],
            "high_94": [row.eti_94[1] for row in rows],
            "pareto": front,
        }
    )
    best = table.filter("pareto").sort("price")["contestant"].to_list()
    unit = " ".join(filter(None, [currency, "per million output tokens"]))
    return Plot(
        name="price",
        title="Price and rating",
        text=(
            f"Price in {unit}. On the Pareto front (no other is rated higher and costs "
            f"less, by their means), cheapest first: {listed(best, 8)}. Where intervals overlap, "
            "the front may run elsewhere."
        ),
        figure=_draw(table, unit, theme),
        table=table,
    )


def pareto(ratings: list[float], costs: list[float]) -> list[bool]:
    """Whether no other is at least as good and as cheap, and better in one of the two."""
    return [
        not any(
            other >= rating and cost_of_other <= cost and (other > rating or cost_of_other < cost)
            for other, cost_of_other in zip(ratings, costs, strict=True)
        )
        for rating, cost in zip(ratings, costs, strict=True)
    ]


def labelled(costs: list[float], ratings: list[float]) -> list[int]:
    """Places of those whose names can stand beside their dots without covering each other."""
    width, height = max(costs) - min(costs) or 1, max(ratings) - min(ratings) or 1
    kept: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: -ratings[i]):
        if all(
            abs(costs[i] - costs[k]) > 0.2 * width or abs(ratings[i] - ratings[k]) > 0.06 * height
            for k in kept
        ):
            kept.append(i)
    return kept


def _draw(table: pl.DataFrame, unit: str, theme: Theme) -> figure:
    source = ColumnDataSource(table.to_dict(as_series=False))
    front = table.filter("pareto").sort("price")
    least, most = float(table["price"].min()), float(table["price"].max())  # type: ignore[arg-type]
    # Prices span orders of magnitude; nothing that is free fits a logarithm.
    log = least > 0 and most / least >= 20
    plot = figure(
        height=420,
        sizing_mode="stretch_width",
        max_width=1000,
        x_axis_type="log" if log else "linear",
        x_range=DataRange1d(range_padding=0.1),
        x_axis_label=f"Price, {unit}",
        y_axis_label="Rating",
        toolbar_location=None,
        tools="",
    )
    costs, ratings = front["price"].to_numpy(), front["rating"].to_numpy()
    plot.step(costs, ratings, mode="after", color=theme.b, line_width=1.5)
    _name(plot, front, (least * most) ** 0.5 if log else (least + most) / 2, log, theme)
    bars = plot.segment(
        "price", "low_94", "price", "high_94", source=source, color=theme.a, line_alpha=0.6
    )
    dots = plot.scatter(
        "price", "rating", source=source, size=9, color=theme.a, line_color=theme.surface
    )
    plot.add_tools(
        HoverTool(
            renderers=[dots, bars],
            tooltips=[
                ("contestant", "@contestant"),
                ("price", "@price{0,0.00}"),
                ("rating", "@rating{0}"),
                ("94 %", "@low_94{0} to @high_94{0}"),
            ],
        )
    )
    style(plot, theme)
    ticks(plot.xaxis, 4)
    return plot


def _name(plot: figure, front: pl.DataFrame, middle: float, log: bool, theme: Theme) -> None:
    """Beside the dots, towards the `middle` price, so that no name runs over an edge."""
    ratings = front["rating"].to_list()
    names = shortened(front["contestant"].to_list(), LONGEST_NAME)
    place = np.log if log else np.asarray
    places = place(front["price"].to_numpy())
    for i in labelled(places.tolist(), ratings):
        right = places[i] > place(middle)
        plot.text(  # type: ignore[call-arg]
            [front["price"][i]],
            [ratings[i]],
            [names[i]],
            text_align="right" if right else "left",
            x_offset=-6 if right else 6,
            y_offset=-5,
            background_fill_color=theme.surface,
            background_fill_alpha=0.8,
            **ink(theme) | {"text_baseline": "bottom"},
        )
