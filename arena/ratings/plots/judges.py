"""What sways each judge: a forest plot of biases."""

from __future__ import annotations

import numpy as np
import polars as pl

from rostra.arena.ratings.plots.forest import forest
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.intervals import quantiles
from rostra.arena.ratings.summary.judges import OWN, judge_effects

NAMES = {"side": "left side", OWN: "own family"}


def judges(posterior: Posterior, theme: Theme = LIGHT) -> Plot | None:
    """Biases in Elo points with 50 and 94 % intervals; None in a model without judges."""
    effects = judge_effects(posterior)
    if not effects:
        return None
    draws = ELO_PER_NAT * np.stack([effect.draws for effect in effects], axis=1)
    low_94, low_50, high_50, high_94 = quantiles(draws)
    table = pl.DataFrame(
        {
            "judge": [effect.judge for effect in effects],
            "bias": [NAMES.get(effect.bias, effect.bias) for effect in effects],
            "mean": draws.mean(axis=0),
            "low_94": low_94,
            "low_50": low_50,
            "high_50": high_50,
            "high_94": high_94,
        }
    )
    clear = [
        f"{judge} ({bias})"
        for judge, bias, low, high in table.select("judge", "bias", "low_94", "high_94").iter_rows()
        if low > 0 or high < 0
    ]
    rows = [f"{judge}: {bias}" for judge, bias in table.select("judge", "bias").iter_rows()]
    return Plot(
        name="judges",
        title="What sways a judge besides who answered",
        text=(
            "Elo points that the left side, an answer of the judge's own family, or, beyond what "
            "it is worth to people, one standard deviation more of a trait of style is worth to "
            "each judge; 50 % (thick) and 94 % (thin) intervals. "
            + (f"Away from zero: {', '.join(clear)}." if clear else "None is away from zero.")
        ),
        figure=forest(table, rows, ("judge", "bias"), theme),
        table=table,
    )
