"""Votes of known truths that carry a category, a voter or a week."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from ratings_boards import names

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.outcomes import outcome_probabilities

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def centred(values: ArrayLike) -> FloatArray:
    """The same, with a mean of zero over the last axis."""
    values = np.asarray(values, dtype=float)
    return values - values.mean(axis=-1, keepdims=True)


def simulate_votes(
    rng: np.random.Generator,
    strengths: FloatArray,
    levels: IntArray,
    factor: str,
    names_of_levels: tuple[str, ...],
    side: float = 0.2,
    tie: float = 0.3,
    kinds: IntArray | None = None,
    present: NDArray[np.bool_] | None = None,
) -> Board:
    """One vote for each entry of `levels`, on a pair and sides drawn uniformly.

    `strengths`: [levels, contestants] or [contestants]. `kinds`: [levels], who votes by the truth
    (0), at random by the shares of all outcomes (1), or for the other side (2). `present`:
    [levels, contestants], who takes part where.
    """
    count = len(names_of_levels)
    strengths = np.broadcast_to(strengths, (count, np.shape(strengths)[-1]))
    size = strengths.shape[1]
    chances = np.ones((count, size)) if present is None else present.astype(float)
    # The two largest of random keys are a uniform pair among those present, in random order.
    keys = rng.random((len(levels), size)) * (chances[levels] > 0)
    left, right = np.argsort(-keys, axis=1)[:, :2].T
    eta = strengths[levels, left] - strengths[levels, right] + side
    chance = outcome_probabilities("davidson", eta, tie)
    if kinds is not None:
        of_vote = kinds[levels][:, None]
        overall = chance.mean(axis=0)
        chance = np.where(of_vote == 1, overall, np.where(of_vote == 2, chance[:, ::-1], chance))
    outcome = (rng.random(len(levels))[:, None] > chance.cumsum(axis=1)).sum(axis=1).clip(max=2)
    table = np.zeros((len(levels), 4), dtype=np.int64)
    table[np.arange(len(levels)), outcome] = 1
    return Board.of(
        names(size), left, right, table, factors={factor: Factor(names_of_levels, levels)}
    )
