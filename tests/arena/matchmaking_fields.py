"""Contestants and votes for the tests of matchmaking."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import numpy as np
from scipy.stats import chisquare

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Policy
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.outcomes import outcome_probabilities

FIELD = [Contestant(name=name, model="m") for name in "abcde"]
SIGNIFICANCE = 1e-3


def no_votes(_since: datetime | None) -> Board | None:
    return None


def board_of(
    strengths: dict[str, float], votes: int, seed: int, side: float = 0.2, tie: float = -0.3
) -> Board:
    """Votes on pairs and sides drawn uniformly, by Davidson's model."""
    rng = np.random.default_rng(seed)
    names = list(strengths)
    rows = []
    for _ in range(votes):
        left, right = rng.choice(len(names), 2, replace=False)
        eta = strengths[names[left]] - strengths[names[right]] + side
        outcome = rng.choice(["a", "tie", "b"], p=outcome_probabilities("davidson", eta, tie))
        rows.append((names[left], names[right], str(outcome)))
    return Board.from_comparisons(rows, sorted(names))


def drawn(policy: Policy, times: int) -> tuple[Counter[tuple[str, str]], dict[str, float]]:
    """How often each pair came, by side, and the probability that was told of it, always the same.

    Pairs are told by their names in order, as in "ab".
    """
    counts: Counter[tuple[str, str]] = Counter()
    told: dict[str, float] = {}
    for _ in range(times):
        draw = policy.draw()
        left, right = draw.pair.a.name, draw.pair.b.name
        assert left != right
        counts[left, right] += 1
        assert told.setdefault("".join(sorted(left + right)), draw.probability) == draw.probability
    return counts, told


def assert_as_told(policy: Policy, pairs: int, times: int = 5_000) -> None:
    """Every one of `pairs` comes as often as its probability says, and on either side."""
    counts, told = drawn(policy, times)
    assert len(told) == pairs
    assert abs(sum(told.values()) - 1) < 1e-9
    # Each side of each pair, so that a side that one pair favours is seen too.
    expected = {(a, b): times * p / 2 for (a, b), p in told.items()}
    expected |= {(b, a): each for (a, b), each in expected.items()}
    seen = [counts[sides] for sides in expected]
    assert chisquare(seen, list(expected.values())).pvalue > SIGNIFICANCE
