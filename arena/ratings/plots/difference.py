"""By how much one contestant is ahead of another."""

from __future__ import annotations

import numpy as np
import polars as pl
from bokeh.models import Range1d
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure
from scipy.stats import gaussian_kde

from rostra.arena.ratings.plots.names import chance, shortened, span
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme, at_zero, dot, ink, style
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.pairs import ROPE_ELO
from rostra.arena.ratings.summary.pairs import difference as summarise

POINTS = 301
LONGEST_NAME = 34


def difference(
    posterior: Posterior,
    first: str | None = None,
    second: str | None = None,
    rope: float = ROPE_ELO,
    theme: Theme = LIGHT,
) -> Plot:
    """Density of `first` minus `second` in Elo points; default: the two highest rated.

    `rope`: differences from -`rope` to `rope` count as equal in practice. Raises RatingsError for
    an unknown name, twice the same one, or a negative `rope`.
    """
    names = [row.contestant for row in posterior.rows]
    first = first or next(name for name in names if name != second)
    second = second or next(name for name in names if name != first)
    told = summarise(posterior, first, second, rope)
    draws = ELO_PER_NAT * (
        posterior.flat_strengths[:, posterior.index(first)]
        - posterior.flat_strengths[:, posterior.index(second)]
    )
    reach = 4 * max(told.sd, 1e-6)
    low, high = min(told.mean - reach, -1.5 * rope), max(told.mean + reach, 1.5 * rope)
    at = np.linspace(low, high, POINTS)
    density = gaussian_kde(draws)(at) if told.sd > 0 else np.zeros(POINTS)
    table = pl.DataFrame({"difference": at, "density": density})
    linked = (
        "" if told.linked else " No chain of votes links the two: this is the prior, not evidence."
    )
    beyond = f" by more than {rope:g} points" if rope else ""
    equal = f"; that they are equal in practice: {chance(told.inside)}" if rope else ""
    return Plot(
        name="difference",
        title=f"{first} against {second}",
        text=(
            f"Probability that {first} is ahead{beyond}: {chance(told.above)}; that {second} is: "
            f"{chance(told.below)}{equal}. Mean difference {told.mean:.0f} Elo points, 50 % "
            f"interval {span(told.eti_50)}, 94 % interval {span(told.eti_94)}.{linked}"
        ),
        figure=_draw(table, told.eti_50, told.eti_94, told.mean, rope, (first, second), theme),
        table=table,
    )


def _draw(
    table: pl.DataFrame,
    eti_50: tuple[float, float],
    eti_94: tuple[float, float],
    mean: float,
    rope: float,
    names: tuple[str, str],
    theme: Theme,
) -> figure:
    at, density = table["difference"].to_numpy(), table["density"].to_numpy()
    top = float(density.max()) or 1.0
    plot = figure(
        height=300,
        sizing_mode="stretch_width",
        max_width=1000,
        x_range=Range1d(start=float(at[0]), end=float(at[-1])),
        y_range=Range1d(start=-0.16 * top, end=1.42 * top),
        toolbar_location=None,
        tools="",
        x_axis_label="Elo points ahead",
    )
    plot.add_layout(
        BoxAnnotation(
            left=-rope, right=rope, fill_color=theme.tie, fill_alpha=0.18, line_color=None
        )
    )
    for low, high, color in (
        (-np.inf, -rope, theme.b),
        (-rope, rope, theme.tie),
        (rope, np.inf, theme.a),
    ):
        # The point beyond either end, so that neighbouring areas meet.
        inside = np.clip(at, max(low, at[0]), min(high, at[-1]))
        plot.varea(
            inside,
            0,
            np.interp(inside, at, density),
            fill_color=color,
            fill_alpha=0.35,
        )
    plot.line(at, density, color=theme.text, line_width=1.5)
    plot.add_layout(at_zero(theme))
    below = -0.08 * top
    for interval, line_width in ((eti_94, 1.5), (eti_50, 6.0)):
        plot.segment(interval[0], below, interval[1], below, color=theme.a, line_width=line_width)
    plot.scatter([mean], [below], **dot(theme))
    # One above the other: beside each other two long names meet on a phone.
    winner, other = shortened(names, LONGEST_NAME)
    for place, height, words, align, offset in (
        (float(at[0]), 1.3, f"{other} ahead", "left", 4),
        (float(at[-1]), 1.13, f"{winner} ahead", "right", -4),
    ):
        plot.text([place], [height * top], [words], text_align=align, x_offset=offset, **ink(theme))
    style(plot, theme)
    plot.yaxis.visible = False
    plot.ygrid.grid_line_color = None
    return plot
