"""The newest ratings, as the pages show them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rostra.arena.ratings import storage
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.table import Row


@dataclass(frozen=True)
class Standings:
    """One posterior, reduced to what the pages need of it."""

    rows: tuple[Row, ...]
    """By descending rating."""
    num_votes: int
    sampled_well: bool
    diagnosis: str
    anchor: str
    created: datetime

    @classmethod
    def of(cls, posterior: Posterior) -> Standings:
        return cls(
            rows=tuple(posterior.table()),
            num_votes=posterior.counts.num_votes,
            sampled_well=posterior.diagnostics.ok,
            diagnosis=posterior.diagnostics.sentence,
            anchor=str(posterior.settings.anchor),
            created=posterior.created,
        )

    def row(self, contestant: str) -> Row | None:
        return next((row for row in self.rows if row.contestant == contestant), None)


class StandingsReader:
    """Reads the newest posterior in a directory, once for each time it is replaced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = asyncio.Lock()
        self._folder: Path | None = None
        self._standings: Standings | None = None

    async def newest(self) -> Standings | None:
        """`None` when there are no ratings yet. Raises `RatingsError` when they are unreadable."""
        async with self._lock:
            folder = await asyncio.to_thread(storage.latest, self._directory)
            if folder != self._folder:
                self._standings = None if folder is None else await asyncio.to_thread(_read, folder)
                self._folder = folder
            return self._standings


def _read(folder: Path) -> Standings:
    return Standings.of(Posterior.load(folder))
