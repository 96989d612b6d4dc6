"""What was told of each contestant, from one rating run to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from rostra.arena.ratings.plots.over_time import MOST, over_time
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.theme import LIGHT, Theme
from rostra.arena.ratings.table import Row


@dataclass(frozen=True)
class Result:
    """What is kept of a former run."""

    created: datetime
    rows: Sequence[Row]


def history(results: Sequence[Result], theme: Theme = LIGHT) -> Plot | None:
    """Ratings of saved results over the time they were made; None with fewer than two.

    Each is drawn on its own anchor: results with different anchors do not compare.
    """
    results = sorted(results, key=lambda result: result.created)
    if len(results) < 2:
        return None
    last = [row.contestant for row in results[-1].rows]
    gone = {row.contestant for result in results for row in result.rows} - set(last)
    order = {name: place for place, name in enumerate([*last, *sorted(gone)])}
    table = pl.DataFrame(
        [
            {
                "contestant": row.contestant,
                "at": result.created.replace(tzinfo=None),
                "rating": row.rating,
                "low_94": row.eti_94[0],
                "low_50": row.eti_50[0],
                "high_50": row.eti_50[1],
                "high_94": row.eti_94[1],
                "votes": row.votes,
            }
            for result in results
            for row in result.rows
        ]
    ).sort(pl.col("contestant").replace_strict(order, return_dtype=pl.Int64), "at")
    return Plot(
        name="history",
        title="Ratings of earlier runs",
        text=(
            f"{len(results)} results, {results[0].created:%-d %B %Y} to "
            f"{results[-1].created:%-d %B %Y}; mean, 50 % (dark) and 94 % (light) interval as they "
            "were told then. More votes make the bands narrower."
            + (f" The first {MOST} are drawn; the table has all." if len(order) > MOST else "")
        ),
        figure=over_time(table, theme),
        table=table,
    )
