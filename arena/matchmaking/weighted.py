"""Pairs by weights that the operator gives, and by the votes that are still wanted."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking.lottery import FloatArray, Lottery
from rostra.arena.matchmaking.pair import Draw
from rostra.arena.matchmaking.settings import Boost

PULL = 9.0
"""A contestant without any of the votes it should get weighs 1 + PULL times what it weighs then."""


class Weighted:
    """Draws a pair with probability proportional to the weights of both, times its boost.

    A contestant's weight is multiplied by 1 + PULL times the share of its target that is missing.
    A pair of weight zero never meets.
    """

    name = "weighted"

    def __init__(
        self,
        contestants: Sequence[Contestant],
        rng: random.Random,
        weights: Mapping[str, float],
        boosts: Sequence[Boost],
        targets: Mapping[str, int],
        votes: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`weights`, by name, default to 1. `votes`: how many each has by now; asked at each draw.

        Raises ArenaError for weights that leave fewer than two contestants, or no pair.
        """
        playing = [each for each in contestants if weights.get(each.name, 1.0) > 0]
        if len(playing) < 2:
            raise ArenaError(
                "the weights of matchmaking leave fewer than two contestants: "
                f"only {', '.join(each.name for each in playing) or 'none'} weighs more than 0"
            )
        self._lottery = Lottery(playing, rng)
        self._weights = np.array([weights.get(each.name, 1.0) for each in playing])
        self._boosts = self._factors(boosts)
        if not self._boosts.any():
            raise ArenaError("the boosts of matchmaking leave no pair: every factor is 0")
        self._targets = np.array([targets.get(each.name, 0) for each in playing], dtype=float)
        self._votes = votes

    def _factors(self, boosts: Sequence[Boost]) -> FloatArray:
        """[pairs]"""
        index, table = self._lottery.index, np.ones((len(self._weights),) * 2)
        for boost in boosts:
            places = [index[name] for name in boost.pair if name in index]
            if len(places) == len(boost.pair):
                table[np.ix_(places, places)] *= boost.factor
        return table[self._lottery.pairs]

    def draw(self, among: Collection[str] | None = None) -> Draw:
        return self._lottery.draw(self.probabilities(), self.name, among)

    def probabilities(self) -> FloatArray:
        """[pairs]"""
        votes = self._votes()
        cast = np.array([votes.get(each.name, 0) for each in self._lottery.contestants])
        missing = np.clip(1 - cast / np.maximum(self._targets, 1), 0, 1) * (self._targets > 0)
        weights = self._weights / self._weights.max() * (1 + PULL * missing)
        first, second = self._lottery.pairs
        products = weights[first] * weights[second] * self._boosts
        return np.asarray(products / products.sum())
