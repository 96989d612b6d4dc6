"""From probabilities of pairs to a draw."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking.pair import Draw, Pair

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Lottery:
    """The unordered pairs of a field, and the chance that decides among them.

    `rng` is `random.SystemRandom()` in service, so that nobody can foretell a pair, and a seeded
    `random.Random` in tests.
    """

    def __init__(self, contestants: Sequence[Contestant], rng: random.Random) -> None:
        """Raises ArenaError for fewer than two."""
        if len(contestants) < 2:
            named = contestants[0].name if contestants else "none"
            raise ArenaError(f"a battle takes two contestants, and there is {named} to draw from")
        self.contestants = tuple(contestants)
        self._rng = rng

    @cached_property
    def index(self) -> dict[str, int]:
        """By name, its place in `contestants`."""
        return {contestant.name: place for place, contestant in enumerate(self.contestants)}

    @cached_property
    def pairs(self) -> tuple[IntArray, IntArray]:
        """[pairs] each, the places of the first and the second of every unordered pair."""
        first, second = np.triu_indices(len(self.contestants), 1)
        return first.astype(np.int64), second.astype(np.int64)

    @property
    def size(self) -> int:
        """How many unordered pairs there are."""
        return len(self.contestants) * (len(self.contestants) - 1) // 2

    def draw(
        self, probabilities: FloatArray, policy: str, among: Collection[str] | None = None
    ) -> Draw:
        """`probabilities`: [pairs], summing to one. Either of the two is as likely on the left.

        `among`: names, of whom both are to be; the others' chances fall to theirs in proportion.
        Raises ArenaError where that leaves no pair."""
        taking = None
        if among is not None:
            taking = tuple(each.name for each in self.contestants if each.name in among)
            probabilities = self._within(probabilities, taking)
        edges = np.cumsum(probabilities)
        found = int(np.searchsorted(edges, self._rng.random() * edges[-1], side="right"))
        # Rounding may carry a number just below the last edge onto it.
        found = min(found, int(np.flatnonzero(probabilities)[-1]))
        first, second = (self.contestants[int(places[found])] for places in self.pairs)
        pair = Pair(first, second) if self._rng.random() < 0.5 else Pair(second, first)
        return Draw(pair, policy, float(probabilities[found]), taking)

    def _within(self, probabilities: FloatArray, names: Collection[str]) -> FloatArray:
        """[pairs], summing to one, zero where one of the two is none of `names`."""
        takes = np.array([each.name in names for each in self.contestants])
        first, second = self.pairs
        kept = np.where(takes[first] & takes[second], probabilities, 0)
        if not kept.any():
            raise ArenaError(f"no two of {', '.join(names) or 'nobody'} can meet")
        return np.asarray(kept / kept.sum())
