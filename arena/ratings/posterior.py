"""What is known after the votes: the one object that crosses every boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from rostra.arena.ratings.counts import PairCounts
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.settings import ELO_PER_NAT, FitSettings
from rostra.arena.ratings.table import FloatArray, Row, rating_rows, superiority


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the posterior of `rostra.arena.ratings.model`, and where they came from.

    Every array is read-only and begins with [chains, draws].
    """

    strengths: FloatArray
    """[chains, draws, contestants], natural log odds; each draw sums to zero. Contestants are in
    the order of `counts.contestants`."""
    scale: FloatArray
    """[chains, draws], the spread of the strengths, natural log odds."""
    side: FloatArray
    """[chains, draws], natural log odds in favour of the answer on the left."""
    log_nu: FloatArray
    """[chains, draws], log of Davidson's tie parameter; equals tie with nu / (2 + nu)."""
    counts: PairCounts
    """The votes the posterior was computed from."""
    settings: FitSettings
    diagnostics: Diagnostics
    versions: Mapping[str, str]
    """Version of each library that bears on the draws, by name."""
    created: datetime
    """When the draws were made, with time zone."""

    def __post_init__(self) -> None:
        for name in ("strengths", "scale", "side", "log_nu"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def contestants(self) -> tuple[str, ...]:
        return self.counts.contestants

    @property
    def data_hash(self) -> str:
        """`PairCounts.data_hash` of the votes."""
        return self.counts.data_hash

    @cached_property
    def ratings(self) -> FloatArray:
        """[chains, draws, contestants] on the Elo scale: 400 points per factor ten in odds.

        The anchor is `settings.anchor`; see there what it fixes.
        """
        elo = ELO_PER_NAT * self.strengths
        anchor = self.settings.anchor
        if anchor.name is not None:
            elo = elo - elo[..., self.contestants.index(anchor.name)].mean()
        elo = elo + anchor.rating
        elo.setflags(write=False)
        return elo

    def table(self) -> list[Row]:
        """One row for each contestant, by descending rating."""
        return rating_rows(
            self._flat(self.ratings), self._flat(self.strengths), self.log_nu.ravel(), self.counts
        )

    def prob_beats(self) -> FloatArray:
        """[contestants, contestants], probability that the row is stronger than the column.

        That is superiority of strength, P(theta_row > theta_column), one half on the diagonal; not
        the chance of winning a single vote, which is nearer to one half.
        """
        return superiority(self._flat(self.strengths))

    @property
    def summary(self) -> str:
        """One or two sentences: how much was counted, and whether to rely on the result."""
        return (
            f"{self.counts.num_votes:,} votes on {len(self.contestants)} contestants. "
            f"{self.diagnostics.sentence}"
        )

    def save(self, directory: Path) -> Path:
        """Writes the posterior into a new dated folder in `directory`; returns that folder.

        See `rostra.arena.ratings.storage` for what it holds.
        """
        from rostra.arena.ratings import storage

        return storage.save(self, directory)

    @classmethod
    def load(cls, folder: Path) -> Posterior:
        """Reads what `save` wrote. Raises RatingsError when the folder does not hold it."""
        from rostra.arena.ratings import storage

        return storage.load(folder)

    @classmethod
    def latest(cls, directory: Path) -> Posterior | None:
        """The posterior saved last in `directory`; None when there is none yet.

        Safe beside a process that saves: a folder is named only when it is whole.
        """
        from rostra.arena.ratings import storage

        folder = storage.latest(directory)
        return None if folder is None else storage.load(folder)

    @staticmethod
    def _flat(draws: FloatArray) -> FloatArray:
        """[chains * draws, contestants]"""
        return draws.reshape(-1, draws.shape[-1])
