"""Leagues of people and of judges whose biases are known, because they were planted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.spec import PEOPLE, ModelSpec

SPEC = ModelSpec(
    structure="judges", factor="judge", style=("length",), judge_style=("own",), both_bad="out"
)
OWNED = 1
"""Index of the contestant that is every judge's own."""


@dataclass(frozen=True)
class Judge:
    """What is planted, in natural log odds beyond what moves people."""

    side: float = 0.0
    length: float = 0.0
    own: float = 0.0
    weight: float = 1.0


CLEAN = Judge()
BIASED = {
    "clean": CLEAN,
    "first": Judge(side=1.0),
    "long": Judge(length=0.8),
    "vain": Judge(own=1.0),
    "random": Judge(weight=0.0),
}


@dataclass(frozen=True)
class JudgedLeague:
    judges: dict[str, Judge] = field(default_factory=lambda: dict(BIASED))
    strengths: tuple[float, ...] = (0.9, 0.4, 0.1, -0.2, -0.4, -0.8)
    votes: int = 1500
    verdicts: int = 1500
    """Of each judge."""
    side: float = 0.1
    length: float = 0.2
    """Of people, and of judges as well."""
    tie: float = -0.5

    def draw(self, seed: int) -> Board:
        rng = np.random.default_rng(seed)
        size, strengths = len(self.strengths), np.array(self.strengths)
        levels = sorted([*self.judges, PEOPLE])
        columns = []
        for code, level in enumerate(levels):
            number = self.votes if level == PEOPLE else self.verdicts
            judge = self.judges.get(level, CLEAN)
            left = rng.integers(0, size, number)
            right = (left + rng.integers(1, size, number)) % size
            length = rng.choice([-1.5, -0.5, 0.5, 1.5], number)
            own = (left == OWNED) * 1.0 - (right == OWNED) * 1.0
            own *= level != PEOPLE
            eta = judge.weight * (strengths[left] - strengths[right]) + judge.own * own
            eta += self.side + judge.side + (self.length + judge.length) * length
            chances = outcome_probabilities("davidson", eta, self.tie)
            drawn = (rng.random(number)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
            outcome = np.eye(4, dtype=np.int64)[drawn]
            columns.append((left, right, np.full(number, code), length, own, outcome))
        left, right, judge_of, length, own, table = (
            np.concatenate(column) for column in zip(*columns, strict=True)
        )
        return Board.of(
            [f"m{i}" for i in range(size)],
            left,
            right,
            table,
            {"judge": Factor(tuple(levels), judge_of)},
            {"length": length, "own": own},
        )
