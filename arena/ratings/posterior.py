"""What is known after the votes: the one object that crosses every boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.cautions import cautions
from rostra.arena.ratings.counting import counted
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import ELO_PER_NAT, FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.summary.intervals import FloatArray
from rostra.arena.ratings.summary.pairs import Pairs, pairs
from rostra.arena.ratings.summary.predictive import Predictive, predictive
from rostra.arena.ratings.summary.ranks import Ranks, ranks
from rostra.arena.ratings.summary.tiers import Tiers, tiers
from rostra.arena.ratings.table import Row, rating_rows

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
    "judge_strength": ("judge", "contestant"),  # judges: as each judge has them
    "judge_weight": ("judge",),  # judges: of people's strengths in those, people's being 1
    "taste_scale": (),  # judges: spread of what else is in them
    "judge_bias": ("judge", "bias"),  # judges: of a verdict, by spec.judge_biases
    "judge_scale": (),  # judges: spread of these round people's
    "judge_tie": ("judge",),  # judges: tie parameter
}
"""Every parameter that a posterior can hold, and its dimensions after [chains, draws]."""

BY_LEVEL = frozenset(name for name, dims in DIMS.items() if "level" in dims) | {"level_scale"}
"""What only a posterior of all levels holds."""


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
    level: str | None = None
    """Whose strengths these are, in what `at` returns: one level of `spec.factor`."""
    whole: Board | None = None
    """All votes that the draws were made from, where `board` holds those of one level only."""

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

    @cached_property
    def flat_strengths(self) -> FloatArray:
        """[draws, contestants], the draws of all chains one after another."""
        return self.strengths.reshape(-1, len(self.contestants))

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """[contestants], index into `Board.components` of all votes that the draws were made from.

        With strengths by level those count that link two at any level, since levels are pooled.
        """
        components = counted(self.whole or self.board, self.spec).components
        of = {name: number for number, names in enumerate(components) for name in names}
        groups = np.array([of[name] for name in self.contestants], dtype=np.int64)
        groups.setflags(write=False)
        return groups

    @cached_property
    def linked(self) -> NDArray[np.bool_]:
        """[contestants, contestants], whether votes link the two, directly or by a chain."""
        linked = self.groups[:, None] == self.groups[None, :]
        linked.setflags(write=False)
        return linked

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels that have strengths of their own, in ascending order; see `at`."""
        if "level_strength" not in self.draws or self.spec.factor is None:
            return ()
        return self.board.factors[self.spec.factor].levels

    def at(self, level: str) -> Posterior:
        """The strengths at one level of `spec.factor`, and the votes at that level.

        Everything that is derived from a posterior is then of that level. The strengths still
        draw on all votes, as far as the model pools levels; `whole` keeps those.

        Raises:
            RatingsError: the model has no strengths by level, or not this one.
        """
        if level not in self.levels:
            known = f"there are {', '.join(self.levels)}" if self.levels else "there are none here"
            raise RatingsError(f"no strengths at level {level!r}; {known}")
        assert self.spec.factor is not None
        strength = self.draws["level_strength"][:, :, self.levels.index(level)]
        draws = {name: self.draws[name] for name in self.draws if name not in BY_LEVEL}
        return replace(
            self,
            draws={**draws, "strength": strength - strength.mean(axis=-1, keepdims=True)},
            board=self.board.where(self.spec.factor, level),
            level=level,
            whole=self.board,
        )

    def index(self, contestant: str) -> int:
        """Its place in `contestants`. Raises RatingsError for a name that is not there."""
        if contestant not in self.contestants:
            raise RatingsError(
                f"{contestant!r} is not a contestant; take one of {', '.join(self.contestants)}"
            )
        return self.contestants.index(contestant)

    @cached_property
    def ranks(self) -> Ranks:
        return ranks(self)

    @cached_property
    def pairs(self) -> Pairs:
        return pairs(self)

    @cached_property
    def tiers(self) -> Tiers:
        return tiers(self)

    @cached_property
    def predictive(self) -> Predictive:
        """Replicated votes beside the real ones, which takes seconds on a large board."""
        return predictive(self)

    @cached_property
    def cautions(self) -> Mapping[str, str]:
        """By contestant, what about its rating rests on the prior; see `cautions`."""
        board = counted(self.board, self.spec)
        whole = board if self.whole is None else counted(self.whole, self.spec)
        return MappingProxyType(cautions(board, whole))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One for each contestant, by descending rating."""
        return rating_rows(self)

    def table(self) -> list[Row]:
        """`rows`, as a list of one's own."""
        return list(self.rows)

    def prob_beats(self) -> FloatArray:
        """`Pairs.superiority`: [contestants, contestants], that the row is the stronger."""
        return self.pairs.superiority

    @property
    def summary(self) -> str:
        """How much was counted, whether to rely on the result, and what a reader must know."""
        counted = f"{self.board.num_votes:,} votes on {len(self.contestants)} contestants."
        return " ".join((counted, self.diagnostics.sentence, *self.diagnostics.notes))

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
