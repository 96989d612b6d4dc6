"""Intervals as bars in a table of HTML, on one axis that all rows share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rostra.arena.ratings.table import Row

MARGIN = 0.03
"""Of the width, on either side."""


@dataclass(frozen=True)
class Axis:
    """The one scale that all bars of the table share, in Elo points."""

    low: float
    high: float
    ticks: tuple[int, ...]

    @classmethod
    def around(cls, rows: Sequence[Row]) -> Axis:
        """As wide as all 94 % intervals of `rows` together, and a little more; ticks are round."""
        # All of Matplotlib comes with it, which a voter's page has no use for.
        from matplotlib.ticker import MaxNLocator

        lowest = min(row.eti_94[0] for row in rows)
        highest = max(row.eti_94[1] for row in rows)
        locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True)
        margin = MARGIN * (highest - lowest)
        low, high = lowest - margin, highest + margin
        ticks = (round(tick) for tick in locator.tick_values(lowest, highest))
        return cls(low, high, tuple(tick for tick in ticks if low <= tick <= high))

    def percent(self, rating: float) -> float:
        """Where `rating` stands, in per cent of the axis."""
        return round(100 * (rating - self.low) / (self.high - self.low), 2)

    def width(self, interval: tuple[float, float]) -> float:
        return round(self.percent(interval[1]) - self.percent(interval[0]), 2)


def ranks(row: Row) -> str:
    """Between which ranks it stands with at least 94 %."""
    same = row.rank_best == row.rank_worst
    return str(row.rank_best) if same else f"{row.rank_best} – {row.rank_worst}"


def spoken(row: Row) -> str:
    """The bar in words."""
    return (
        f"{row.rating:.0f} points; 50 % between {row.eti_50[0]:.0f} and {row.eti_50[1]:.0f}, "
        f"94 % between {row.eti_94[0]:.0f} and {row.eti_94[1]:.0f}"
    )
