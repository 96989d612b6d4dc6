"""The leaderboard: one table that is also the plot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from rostra.arena.errors import ArenaError
from rostra.arena.pages.document import fill_in
from rostra.arena.ratings.plots.bars import Axis, ranks, spoken
from rostra.arena.ratings.table import Row
from rostra.arena.settings import Contestant
from rostra.arena.standings import Standings
from rostra.arena.state import Arena


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    row: Row
    label: str
    competes: bool
    url: str | None
    licence: str

    @classmethod
    def of(cls, row: Row, contestant: Contestant | None) -> Entry:
        """`contestant` is `None` for one that has left the arena; its votes still count."""
        if contestant is None:
            return cls(row, row.contestant, False, None, "")
        return cls(row, contestant.label, True, contestant.url, contestant.licence or "")

    @property
    def ranks(self) -> str:
        return ranks(self.row)

    @property
    def spoken(self) -> str:
        return spoken(self.row)


async def leaderboard(arena: Arena) -> str:
    """HTML of the newest ratings, or of how to get them, or of what is wrong with them."""
    num_votes = await asyncio.to_thread(arena.store.number_of_comparisons)
    try:
        standings = await arena.standings.newest()
    except ArenaError as error:
        return fill_in("error.html", message=str(error))
    return draw(standings, num_votes, arena.settings.contestants)


def draw(standings: Standings | None, num_votes: int, contestants: Sequence[Contestant]) -> str:
    """`num_votes`: how many a fit would count now."""
    by_name = {contestant.name: contestant for contestant in contestants}
    rows = standings.ratings if standings else ()
    rated = {row.contestant for row in rows}
    return fill_in(
        "leaderboard.html",
        standings=standings,
        created=standings and standings.created.astimezone(UTC),
        num_votes=num_votes,
        newer=num_votes - (standings.num_votes if standings else 0),
        axis=Axis.around(rows) if rows else None,
        entries=[Entry.of(row, by_name.get(row.contestant)) for row in rows],
        licences=any(contestant.licence for contestant in contestants),
        unrated=[entry.label for entry in contestants if entry.name not in rated],
    )
