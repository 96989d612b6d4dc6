"""The newest ratings, as the pages show them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import msgspec

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.description import check_format
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.storage import SUMMARY, created
from rostra.arena.ratings.summary.levels import LevelRating
from rostra.arena.ratings.table import Row
from rostra.arena.shared import Shared


class Checked(msgspec.Struct, frozen=True):
    """Of the posterior predictive checks."""

    notes: tuple[str, ...]


class Summary(msgspec.Struct, frozen=True):
    """What the pages need of the `summary.json` that is saved beside each posterior.

    The draws themselves stay on disk: opening them would take every visitor's server seconds.
    """

    anchor: str
    """Where the scale is fixed, in words."""
    diagnostics: Diagnostics
    votes: dict[str, int]
    ratings: tuple[Row, ...]
    """By descending rating."""
    levels: tuple[LevelRating, ...]
    """Likewise for each category or week, where the model has them."""
    predictive: Checked
    spec: ModelSpec = ModelSpec()
    provenance: Provenance = Provenance()

    @property
    def level_names(self) -> tuple[str, ...]:
        """Levels that have ratings of their own, in order."""
        return tuple(dict.fromkeys(rating.level for rating in self.levels))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know beside `diagnostics.sentence`."""
        return (*self.diagnostics.notes, *self.predictive.notes)

    @property
    def num_votes(self) -> int:
        return self.votes["total"]

    def row(self, contestant: str) -> Row | None:
        return next((row for row in self.ratings if row.contestant == contestant), None)


class _Format(msgspec.Struct):
    format: int


class Standings(Summary, frozen=True, kw_only=True):
    """A summary, and when the ratings were made."""

    created: datetime

    @classmethod
    def read(cls, folder: Path) -> Standings:
        """Of a saved result. Raises ArenaError where it is none, or was made by another version."""
        path = folder / SUMMARY
        try:
            content = path.read_bytes()
            check_format(msgspec.json.decode(content, type=_Format).format, folder)
            summary = msgspec.json.decode(content, type=Summary)
        except (OSError, msgspec.DecodeError) as error:
            raise ArenaError(f"cannot read {path}: {error}; run `rostra rate` again") from None
        return cls(**msgspec.structs.asdict(summary), created=created(folder))


class StandingsReader:
    """Reads the newest ratings in a directory, once for each time they are replaced.

    Whoever votes asks for them, so many ask at once: they share one look at the directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._look = Shared(lambda: asyncio.to_thread(self._read))
        self._folder: Path | None = None
        self._standings: Standings | None = None

    async def newest(self) -> Standings | None:
        """`None` when there are no ratings yet. Raises `ArenaError` when they are unreadable."""
        return await self._look()

    def _read(self) -> Standings | None:
        folder = self._newest_folder()
        if folder != self._folder:
            self._standings = Standings.read(folder) if folder else None
            self._folder = folder
        return self._standings

    def _newest_folder(self) -> Path | None:
        try:
            name = (self._directory / "latest").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArenaError(f"cannot read the ratings in {self._directory}: {error}") from None
        return self._directory / name
