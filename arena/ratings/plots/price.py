"""What quality costs."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool
from bokeh.plotting import figure

from rostra.arena.ratings.plots.names import listed
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme, ink, style
from rostra.arena.ratings.posterior import Posterior


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
    plot = figure(
        height=420,
        sizing_mode="stretch_width",
        max_width=1000,
        # Prices span orders of magnitude; nothing that is free fits a logarithm.
        x_axis_type="log" if least > 0 and most / least >= 20 else "linear",
        # Names at the right edge need room that the data do not.
        x_range=DataRange1d(range_padding=0.25),
        x_axis_label=f"Price, {unit}",
        y_axis_label="Rating",
        toolbar_location=None,
        tools="",
    )
    costs, ratings = front["price"].to_numpy(), front["rating"].to_numpy()
    plot.step(costs, ratings, mode="after", color=theme.b, line_width=1.5)
    bars = plot.segment(
        "price", "low_94", "price", "high_94", source=source, color=theme.a, line_alpha=0.6
    )
    dots = plot.scatter(
        "price", "rating", source=source, size=9, color=theme.a, line_color=theme.surface
    )
    look = ink(theme) | {"text_baseline": "bottom"}
    names = front["contestant"].to_numpy()
    plot.text(costs, ratings, names, x_offset=6, y_offset=-5, **look)
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
    return style(plot, theme)
