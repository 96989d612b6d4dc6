"""The leaderboard: one table that is also the plot."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import ClassVar
from urllib.parse import urlencode

import param
from markupsafe import Markup
from panel.custom import JSComponent

from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.pages.document import every, no_ratings
from rostra.arena.pages.templates import HERE, fill_in, source
from rostra.arena.ratings.audit import sentences
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS
from rostra.arena.ratings.plots.bars import Axis, ranks, spoken
from rostra.arena.ratings.table import Row
from rostra.arena.standings import Standings
from rostra.arena.votes.store import VoteStore


class LeaderboardView(JSComponent):
    """A document whose table can be sorted, searched and switched."""

    html = param.String()
    base = param.String(doc="What the addresses of the campaign begin with.")

    _esm = HERE / "leaderboard.js"
    _stylesheets: ClassVar[list[str]] = [DOCUMENT_CSS + source("leaderboard.css")]


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    row: Row
    label: str
    competes: bool
    url: str | None = None
    licence: str = ""
    organisation: str = ""
    price: float | None = None

    @classmethod
    def of(cls, row: Row, contestant: Contestant | None) -> Entry:
        """`contestant` is `None` for one that has left the arena; its votes still count."""
        if contestant is None:
            return cls(row, row.contestant, competes=False)
        return cls(
            row,
            contestant.label,
            competes=True,
            url=contestant.url,
            licence=contestant.licence or "",
            organisation=contestant.organisation or "",
            price=contestant.price,
        )

    @property
    def ranks(self) -> str:
        return ranks(self.row)

    @property
    def spoken(self) -> str:
        return spoken(self.row)


@dataclass(frozen=True)
class Choice:
    """What can be switched, and how it is switched."""

    levels: tuple[str, ...] = ()
    level: str = ""
    styles: frozenset[bool] = frozenset()
    style: bool = False

    @property
    def query(self) -> str:
        """What `/results/` is asked with."""
        return urlencode({"level": self.level, "style": int(self.style)})


async def leaderboard(campaign: Campaign, store: VoteStore) -> str:
    """HTML of the newest ratings, or of how to get them, or of what is wrong with them."""
    num_votes = await asyncio.to_thread(campaign.number_of_votes, store)
    interval = campaign.arena.refresh.interval
    try:
        standings = await campaign.standings.newest()
        if standings is None:
            return no_ratings("Leaderboard", num_votes, interval, campaign.home)
        styles = await campaign.results.styles()
        findings = await campaign.results.findings()
    except ArenaError as error:
        return fill_in("error.html", message=str(error))
    choice = Choice(standings.level_names, styles=styles, style=bool(standings.spec.style))
    return draw(
        standings,
        choice,
        sentences(findings),
        num_votes,
        campaign.contestants,
        every(interval),
        campaign.base,
    )


def draw(
    standings: Standings,
    choice: Choice,
    findings: Sequence[str],
    num_votes: int,
    contestants: Sequence[Contestant],
    rated_every: str,
    base: str = "",
) -> str:
    """`findings`: sentences of the audit. `num_votes`: how many a fit would count now.
    `rated_every`: how long after one another, empty where the operator rates. `base`: what the
    addresses of the campaign begin with."""
    rated = {row.contestant for row in standings.ratings}
    return fill_in(
        "leaderboard.html",
        standings=standings,
        created=standings.created.astimezone(UTC),
        newer=num_votes - standings.num_votes,
        choice=choice,
        findings=findings,
        every=rated_every,
        base=base,
        table=table(standings.ratings, choice, contestants),
        unrated=[entry.label for entry in contestants if entry.name not in rated],
    )


def table(rows: Sequence[Row], choice: Choice, contestants: Sequence[Contestant]) -> Markup:
    """`rows`: at the level of `choice`, where it has one."""
    entries = _entries(rows, contestants)
    html = fill_in(
        "leaderboard_table.html",
        axis=Axis.around(rows),
        entries=entries,
        query=choice.query,
        tiers=len({entry.row.tier for entry in entries}) > 1,
        **{
            f"{name}s": any(getattr(entry, name) not in ("", None) for entry in entries)
            for name in ("organisation", "licence", "price")
        },
    )
    return Markup(html)


def table_csv(rows: Sequence[Row], contestants: Sequence[Contestant]) -> str:
    """The same table for a spreadsheet."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(
        "rank_best rank_worst tier contestant label competes rating low_94 low_50 high_50 high_94 "
        "votes win_rate both_bad_rate organisation licence price caution".split()
    )
    for entry in _entries(rows, contestants):
        row = entry.row
        writer.writerow(
            [
                *(row.rank_best, row.rank_worst, row.tier, row.contestant, entry.label),
                *(entry.competes, f"{row.rating:.2f}"),
                *(f"{end:.2f}" for end in (row.eti_94[0], *row.eti_50, row.eti_94[1])),
                *(row.votes, row.win_rate, row.both_bad_rate),
                *(entry.organisation, entry.licence, entry.price, row.caution),
            ]
        )
    return file.getvalue()


def _entries(rows: Sequence[Row], contestants: Sequence[Contestant]) -> list[Entry]:
    by_name = {contestant.name: contestant for contestant in contestants}
    return [Entry.of(row, by_name.get(row.contestant)) for row in rows]
