"""The published rule of the Chatbot Arena: where one more vote narrows an interval most.

Chiang et al. 2024, "Chatbot Arena: An Open Platform for Evaluating LLMs by Human Preference",
section 5, active sampling: P(pair) is proportional to

    sqrt(S / n) - sqrt(S / (n + 1))

with n the votes on the pair and S the variance of its score, a win 1 and a tie one half. Here S is
shrunk by one vote of each kind, since few votes may all be the same, and a pair nobody has voted
on counts as one with half a vote, where the rule itself has none.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

import numpy as np

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking.evidence import Votes, by_pair
from rostra.arena.matchmaking.kept import MAX_AGE, Kept
from rostra.arena.matchmaking.lottery import FloatArray, Lottery
from rostra.arena.matchmaking.pair import Draw

UNMET = 0.5
SCORES = np.array([1.0, 0.5, 0.0])


def reductions(outcomes: FloatArray) -> FloatArray:
    """[pairs], by how much one more vote narrows the interval of each pair's score.

    `outcomes`: [pairs, 3], votes for the first, ties, votes for the second.
    """
    smoothed = outcomes + 1
    total = smoothed.sum(axis=1)
    mean = smoothed @ SCORES / total
    variance = smoothed @ SCORES**2 / total - mean**2
    votes = np.maximum(outcomes.sum(axis=1), UNMET)
    return np.asarray(np.sqrt(variance / votes) - np.sqrt(variance / (votes + 1)))


def probabilities(outcomes: FloatArray, exploration: float) -> FloatArray:
    """[pairs], by the rule, but for a share `exploration` that all pairs have alike."""
    found = reductions(outcomes)
    return np.asarray(exploration / len(found) + (1 - exploration) * found / found.sum())


class Variance:
    """Draws by the rule above, from all votes so far."""

    name = "variance"

    def __init__(
        self,
        contestants: Sequence[Contestant],
        rng: random.Random,
        votes: Votes,
        exploration: float,
        max_age: float = MAX_AGE,
    ) -> None:
        """`max_age`: seconds that votes may go unnoticed."""
        self._lottery = Lottery(contestants, rng)
        names = [each.name for each in contestants]
        even = np.full(self._lottery.size, 1 / self._lottery.size)
        self._probabilities = Kept(
            lambda: probabilities(by_pair(votes(None), names), exploration), even, max_age
        )

    def draw(self, among: Collection[str] | None = None) -> Draw:
        return self._lottery.draw(self._probabilities(), self.name, among)
