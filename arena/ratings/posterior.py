"""What is known after the votes: the one object that crosses every boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import ELO_PER_NAT, FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.table import FloatArray, Row, rating_rows, superiority

DIMS: dict[str, tuple[str, ...]] = {
    "strength": ("contestant",),  # each draw sums to zero; what is ranked
    "scale": (),  # spread of the strengths
    "side": (),  # in favour of the answer on the left
    "tie": (),  # tie parameter of `rostra.arena.ratings.outcomes`
    "style": ("style",),  # effect of one standard deviation of each of spec.style
    "tie_style": ("tie_style",),  # likewise on the propensity to tie
    "bad": ("contestant",),  # each contestant's part in "both bad"; each draw sums to zero
    "bad_mean": (),  # log odds that two average answers are both bad
    "bad_scale": (),  # spread of `bad`
    "level_strength": ("level", "contestant"),  # categories, drift: by level of the factor
    "level_scale": (),  # categories: spread of levels round the overall; drift: of one step
    "voter_kind": ("voter", "kind"),  # voters: probability of each kind, by voter
    "kind_share": ("kind",),  # voters: shares of attentive, careless and contrary voters
}
"""Every parameter that a posterior can hold, and its dimensions after [chains, draws]."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the posterior of a model of the votes, and where they came from."""

    draws: Mapping[str, FloatArray]
    """By the names of `DIMS`, each [chains, draws, *its dimensions], natural log odds, read-only.
    Those that the model does not have are absent."""
    board: Board
    """The votes the posterior was computed from."""
    spec: ModelSpec
    settings: FitSettings
    diagnostics: Diagnostics
    provenance: Provenance
    versions: Mapping[str, str]
    """Version of each library that bears on the draws, by name."""
    created: datetime
    """When the draws were made, with time zone."""

    def __post_init__(self) -> None:
        draws = {}
        for name, values in self.draws.items():
            draws[name] = np.array(values, dtype=np.float64)
            draws[name].setflags(write=False)
        object.__setattr__(self, "draws", MappingProxyType(draws))

    @property
    def contestants(self) -> tuple[str, ...]:
        return self.board.contestants

    @property
    def strengths(self) -> FloatArray:
        """[chains, draws, contestants], natural log odds; each draw sums to zero."""
        return self.draws["strength"]

    @property
    def side(self) -> FloatArray:
        """[chains, draws], log odds in favour of the left answer; zero in a model without sides."""
        return self.draws.get("side", np.zeros(self.strengths.shape[:2]))

    @property
    def tie(self) -> FloatArray:
        """[chains, draws], the tie parameter of `outcomes`; minus infinity in a model without."""
        return self.draws.get("tie", np.full(self.strengths.shape[:2], -np.inf))

    @property
    def data_hash(self) -> str:
        """`Board.data_hash` of the votes."""
        return self.board.data_hash

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
            self._flat(self.ratings),
            self._flat(self.strengths),
            self.tie.ravel(),
            self.spec.ties,
            self.board,
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
            f"{self.board.num_votes:,} votes on {len(self.contestants)} contestants. "
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
