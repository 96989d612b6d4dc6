"""Who meets whom, and on which side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rostra.arena.settings import Contestant

Side = Literal["a", "b"]
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True)
class Pair:
    """Two contestants; `a` stands on the left."""

    a: Contestant
    b: Contestant

    def __getitem__(self, side: Side) -> Contestant:
        return self.a if side == "a" else self.b


class Matchmaker:
    """Draws ordered pairs of distinct contestants, each with the same probability.

    `rng` is `random.SystemRandom()` in service, so that nobody can foretell a pair, and a seeded
    `random.Random` in tests.
    """

    def __init__(self, contestants: Sequence[Contestant], rng: random.Random) -> None:
        self._contestants = tuple(contestants)
        self._rng = rng

    def draw(self) -> Pair:
        a, b = self._rng.sample(self._contestants, 2)
        return Pair(a, b)
