"""Every pair alike."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

import numpy as np

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking.lottery import Lottery
from rostra.arena.matchmaking.pair import Draw


class Uniform:
    """Draws each pair of distinct contestants with the same probability."""

    name = "uniform"

    def __init__(self, contestants: Sequence[Contestant], rng: random.Random) -> None:
        self._lottery = Lottery(contestants, rng)
        self._probabilities = np.full(self._lottery.size, 1 / self._lottery.size)

    def draw(self, among: Collection[str] | None = None) -> Draw:
        return self._lottery.draw(self._probabilities, self.name, among)
