"""The leaderboard: one table that is also the plot."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

import param
from markupsafe import Markup
from panel.custom import JSComponent

from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.pages.document import made, no_ratings
from rostra.arena.pages.entrance import moment
from rostra.arena.pages.templates import HERE, fill_in, source
from rostra.arena.ratings.audit import sentences
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS
from rostra.arena.ratings.plots.bars import Axis, ranks
from rostra.arena.ratings.table import Row
from rostra.arena.standings import Standings
from rostra.arena.texts import FALLBACK, Language, Texts
from rostra.arena.votes.store import VoteStore


class LeaderboardView(JSComponent):
    """A document whose table can be sorted, searched and switched."""

    html = param.String()
    base = param.String(doc="What the addresses of the campaign begin with.")
    language = param.String(FALLBACK, doc="Of what is fetched for it.")
    words = param.Dict(default={}, doc="What its script says.")

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


@dataclass(frozen=True)
class Choice:
    """What can be switched, and how it is switched."""

    levels: tuple[str, ...] = ()
    level: str = ""
    styles: frozenset[bool] = frozenset()
    style: bool = False
    language: Language = FALLBACK

    @property
    def query(self) -> str:
        """What `/results/` is asked with."""
        return urlencode({"level": self.level, "style": int(self.style), "language": self.language})


async def leaderboard(campaign: Campaign, store: VoteStore, words: Texts) -> str:
    """HTML of the newest ratings, or of how to get them, or of what is wrong with them."""
    num_votes = await asyncio.to_thread(campaign.number_of_votes, store)
    interval = campaign.arena.refresh.interval
    try:
        standings = await campaign.standings.newest()
        if standings is None:
            heading = words("nav.leaderboard")
            return no_ratings(heading, num_votes, interval, words, campaign.home)
        styles = await campaign.results.styles()
        findings = await campaign.results.findings()
    except ArenaError as error:
        return fill_in("error.html", message=str(error))
    choice = Choice(
        standings.level_names,
        styles=styles,
        style=bool(standings.spec.style),
        language=words.language,
    )
    return draw(
        standings,
        choice,
        sentences(findings),
        num_votes,
        campaign.contestants,
        made(interval, words),
        words,
        campaign.base,
    )


def draw(
    standings: Standings,
    choice: Choice,
    findings: Sequence[str],
    num_votes: int,
    contestants: Sequence[Contestant],
    how: Markup,
    words: Texts,
    base: str = "",
) -> str:
    """`findings`: sentences of the audit. `num_votes`: how many a fit would count now.
    `how`: who makes ratings, and when. `base`: what the addresses of the campaign begin with.

    What the ratings say of themselves is in English, and marked so.
    """
    rated = {row.contestant for row in standings.ratings}
    one = standings.num_votes == 1
    time = Markup('<time datetime="{}">{}</time>').format(
        standings.created.isoformat(), moment(standings.created)
    )
    origin = standings.provenance
    return fill_in(
        "leaderboard.html",
        standings=standings,
        words=words,
        computed=words.html(
            "leaderboard.computed_one" if one else "leaderboard.computed",
            votes=f"{standings.num_votes:,}",
            time=time,
        ),
        newer=num_votes - standings.num_votes,
        how=how,
        choice=choice,
        findings=findings,
        base=base,
        anchor=Markup('<span lang="en">{}</span>').format(standings.anchor),
        table=table(standings.ratings, choice, contestants, words),
        log=words.html(
            "leaderboard.log",
            entry=f"{origin.log_seq:,}",
            head=Markup("<code>{}</code>").format(origin.log_head),
        )
        if origin.log_head
        else None,
        figures=words.html(
            "leaderboard.figures",
            page=Markup('<a href="{}/analyst">{}</a>').format(
                base, words("leaderboard.analyst_page")
            ),
        ),
        unrated=[entry.label for entry in contestants if entry.name not in rated],
    )


def table(
    rows: Sequence[Row], choice: Choice, contestants: Sequence[Contestant], words: Texts
) -> Markup:
    """`rows`: at the level of `choice`, where it has one."""
    entries = _entries(rows, contestants)
    html = fill_in(
        "leaderboard_table.html",
        axis=Axis.around(rows),
        entries=entries,
        words=words,
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
