"""What sways a vote besides who answered: the side, and the style of the answers."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rostra.arena.ratings.plots.forest import forest
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.intervals import quantiles

LEFT = "left side"


def coefficients(posterior: Posterior, theme: Theme = LIGHT) -> Plot | None:
    """Effects in Elo points with 50 and 94 % intervals; None in a model that has none."""
    found = effects(posterior)
    if not found:
        return None
    low_94, low_50, high_50, high_94 = quantiles(np.stack(list(found.values()), axis=1))
    table = pl.DataFrame(
        {
            "effect": list(found),
            "mean": [draws.mean() for draws in found.values()],
            "low_94": low_94,
            "low_50": low_50,
            "high_50": high_50,
            "high_94": high_94,
        }
    )
    clear = [
        name
        for name, low, high in table.select("effect", "low_94", "high_94").iter_rows()
        if low > 0 or high < 0
    ]
    return Plot(
        name="coefficients",
        title="What sways a vote besides who answered",
        text=(
            "Elo points that the side, or one standard deviation more of a trait of style than the "
            "other answer has, is worth; 50 % (thick) and 94 % (thin) intervals. "
            + (f"Away from zero: {', '.join(clear)}." if clear else "None is away from zero.")
        ),
        figure=forest(table, list(found), ("effect",), theme),
        table=table,
    )


def effects(posterior: Posterior) -> dict[str, NDArray[np.float64]]:
    """By name, each [draws] in Elo points."""
    found = {}
    if posterior.spec.side and "side" in posterior.draws:
        found[LEFT] = ELO_PER_NAT * posterior.side.ravel()
    if "style" in posterior.draws:
        draws = posterior.draws["style"]
        for i, name in enumerate(posterior.spec.style):
            found[name] = ELO_PER_NAT * draws[..., i].ravel()
    return found
