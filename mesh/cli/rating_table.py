"""A posterior as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import Box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.summary.levels import LevelRating, level_ratings
from rostra.arena.ratings.table import Row

BAR_WIDTHS = Measurement(9, 40)
ONLY_RULES = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
"""No frame: a rule below the headings and below the last line of a section."""
MOST_NAME = 30
LEVEL_WIDTH = 16
"""Of a rating with its interval, as in `— 1034 980–1088`."""


def rating_table(posterior: Posterior) -> Table:
    """One line for each contestant, the interval drawn on an axis that all share, tiers parted by
    a rule."""
    rows = posterior.rows
    low = min(row.eti_94[0] for row in rows)
    high = max(row.eti_94[1] for row in rows)
    explained = [f"Elo scale, {posterior.settings.anchor}; bars from {low:.0f} to {high:.0f}"]
    if rows[-1].tier > 1:
        explained.append("a rule parts tiers: the first above it is ahead of the first below it")
    if any(row.caution for row in rows):
        explained.append("* rests on the prior at one end or both")
    table = Table(
        caption="; ".join(explained),
        box=ONLY_RULES,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("rank", no_wrap=True)
    table.add_column("contestant", overflow="fold")
    # With the names, what gives way in a narrow terminal.
    table.add_column("50 % and 94 %")
    for heading in ("rating", "94 %", "best", "votes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, below in zip(rows, (*rows[1:], None), strict=True):
        table.add_row(
            _range(row.rank_best, row.rank_worst),
            Text(f"{row.contestant} *" if row.caution else row.contestant),
            IntervalBar(row, low, high),
            f"{row.rating:.0f}",
            _range(round(row.eti_94[0]), round(row.eti_94[1])),
            _percent(row.p_best),
            f"{row.votes:,}",
            end_section=below is not None and below.tier > row.tier,
        )
    return table


class IntervalBar:
    """Ratings `low` to `high` over the cell: 94 % thin, 50 % thick, a dot at the mean."""

    def __init__(self, row: Row, low: float, high: float) -> None:
        self._row = row
        self._low = low
        self._span = (high - low) or 1.0

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return BAR_WIDTHS.with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.draw(options.max_width), style="blue", no_wrap=True)

    def draw(self, width: int) -> str:
        """`width` characters."""

        def cell(rating: float) -> int:
            return round((rating - self._low) / self._span * (width - 1))

        cells = [" "] * width
        for (start, end), mark in ((self._row.eti_94, "─"), (self._row.eti_50, "━")):
            for position in range(cell(start), cell(end) + 1):
                cells[position] = mark
        cells[cell(self._row.rating)] = "●"
        return "".join(cells)


def _percent(share: float) -> str:
    """Never 0 or 100 of what can still turn out otherwise."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 < share < 1 else f"{share:.0%}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def level_tables(posterior: Posterior, width: int) -> Iterator[Table]:
    """One rating for each level of the model's factor, contestants in the order of the whole.

    As many levels side by side as fit into `width`; of periods the newest that fit.
    """
    levels = posterior.levels
    if not levels:
        return
    rows = {(row.level, row.contestant): row for row in level_ratings(posterior)}
    order = [row.contestant for row in posterior.rows]
    names = min(max(map(len, order)), MOST_NAME)
    fit = max(1, (width - names) // (LEVEL_WIDTH + 2))
    if posterior.spec.structure == "drift":
        levels = levels[-fit:]
    for start in range(0, len(levels), fit):
        table = Table(
            caption=f"rating and 94 % by {posterior.spec.factor}; — without votes of its own there",
            box=None,
            pad_edge=False,
        )
        table.add_column("contestant", overflow="fold", max_width=MOST_NAME)
        shown = levels[start : start + fit]
        for level in shown:
            table.add_column(Text(level), justify="right", overflow="fold", width=LEVEL_WIDTH)
        for name in order:
            table.add_row(Text(name), *(_at_level(rows[level, name]) for level in shown))
        yield table


def _at_level(row: LevelRating) -> str:
    text = f"{row.rating:.0f} {_range(round(row.eti_94[0]), round(row.eti_94[1]))}"
    return text if row.votes else f"— {text}"


def provenance_lines(provenance: Provenance) -> Iterator[str]:
    """From which state of the log; what was not rated, and why."""
    if provenance.log_head is not None:
        yield f"Log of votes: entry {provenance.log_seq:,}, {provenance.log_head}."
    if provenance.left_out:
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in provenance.left_out)
        left = sum(count for _, count in provenance.left_out)
        yield f"Left out {left:,} of {provenance.rows_read:,} rows: {reasons}."
