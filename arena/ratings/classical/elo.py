"""Elo's rating after each vote, which depends on the order of the votes (Elo 1978)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.classical.rows import BothBad
from rostra.arena.ratings.errors import RatingsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SCORE = {"a": 1.0, "tie": 0.5, "b": 0.0, "both_bad": 0.5}


@dataclass(frozen=True)
class EloSettings:
    """The defaults are those of LMSYS's first boards."""

    k: float = 4.0
    """Points that change hands at most in one vote."""
    base: float = 10.0
    scale: float = 400.0
    """Points that are a factor `base` in odds."""
    init: float = 1000.0
    """Of a contestant before its first vote."""
    both_bad: BothBad = "out"
    permutations: int = 0
    """0: votes in the order given; else so many random orders, whose mean does not depend on
    time."""
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("k", "base", "scale"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > (1 if name == "base" else 0)):
                raise RatingsError(f"{name} of Elo is {value}")
        if self.permutations < 0:
            raise RatingsError(f"permutations is {self.permutations}; give 0 or more")


@dataclass(frozen=True, eq=False)
class Elo:
    """Ratings after the last vote."""

    settings: EloSettings
    contestants: tuple[str, ...]
    orders: FloatArray
    """[orders, contestants], of each order of the votes."""
    votes: int
    """Used in each order."""

    @property
    def ratings(self) -> FloatArray:
        """[contestants], mean over the orders."""
        return self.orders.mean(axis=0)

    @property
    def spread(self) -> FloatArray:
        """[contestants], standard deviation over the orders: what the order alone moves. NaN when
        there is one order."""
        if len(self.orders) < 2:
            return np.full(self.orders.shape[1], np.nan)
        return self.orders.std(axis=0, ddof=1)


def elo(
    votes: Iterable[tuple[str, str, str]],
    contestants: Iterable[str] | None = None,
    settings: EloSettings = EloSettings(),
) -> Elo:
    """Of votes `(left, right, outcome)` in the order they were cast, outcome one of `OUTCOMES`.

    `contestants`: the whole field; default: whoever is named by a vote. Raises RatingsError for an
    unknown outcome or name, or a contestant against itself, with the row, counted from 1.
    """
    rows = list(votes)
    field = sorted(
        {name for row in rows for name in row[:2]} if contestants is None else contestants
    )
    index = {name: position for position, name in enumerate(field)}
    for number, (left, right, outcome) in enumerate(rows, start=1):
        if outcome not in OUTCOMES:
            raise RatingsError(
                f"row {number}: outcome {outcome!r} is none of {', '.join(OUTCOMES)}"
            )
        if left == right or left not in index or right not in index:
            raise RatingsError(
                f"row {number}: {left!r} against {right!r} is no battle of the field"
            )
    used = [row for row in rows if row[2] != "both_bad" or settings.both_bad == "tie"]
    places = np.array([[index[name] for name in row[:2]] for row in used], dtype=np.int64)
    places = places.reshape(-1, 2)
    score = np.array([_SCORE[row[2]] for row in used])
    rng = np.random.default_rng(settings.seed)
    orders = (
        np.stack([rng.permutation(len(used)) for _ in range(settings.permutations)])
        if settings.permutations
        else np.arange(len(used))[None, :]
    )
    return Elo(
        settings,
        tuple(field),
        _played(settings, len(field), places[:, 0], places[:, 1], score, orders),
        len(used),
    )


def _played(
    settings: EloSettings,
    size: int,
    left: IntArray,
    right: IntArray,
    score: FloatArray,
    orders: IntArray,
) -> FloatArray:
    """[orders, contestants]; all orders go on together, one vote of each at a time."""
    ratings = np.full((len(orders), size), settings.init)
    each = np.arange(len(orders))
    nats = np.log(settings.base) / settings.scale
    for votes in orders.T:
        one, other = left[votes], right[votes]
        expected = 1 / (1 + np.exp(nats * (ratings[each, other] - ratings[each, one])))
        change = settings.k * (score[votes] - expected)
        ratings[each, one] += change
        ratings[each, other] -= change
    return ratings
