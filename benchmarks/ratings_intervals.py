"""What a rating engine says of one league, against the truth: ranks and intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ratings_leagues import League, draw_league
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.bootstrap import bootstrap
from rostra.arena.ratings.classical.maximum_likelihood import maximum_likelihood
from rostra.arena.ratings.classical.rows import LikelihoodSettings
from rostra.arena.ratings.engines import laplace
from rostra.arena.ratings.settings import ELO_PER_NAT, Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec

FloatArray = NDArray[np.float64]
Bounds = tuple[FloatArray, FloatArray]

MODELS = {
    "Davidson, both bad": ModelSpec(),
    "Rao-Kupper": ModelSpec(ties="rao-kupper", both_bad="out"),
    "Bradley-Terry": ModelSpec(ties="bradley-terry", both_bad="out"),
    "style": ModelSpec(both_bad="out", style=("length", "bold"), tie_style=("length",)),
    "categories": ModelSpec(structure="categories", factor="category", both_bad="out"),
    "drift": ModelSpec(structure="drift", factor="week", both_bad="out"),
    "voters": ModelSpec(structure="voters", factor="voter", both_bad="out"),
}
"""Simulated for their ranks."""
SBC_LEAGUE = (6, 300)
"""Contestants and votes."""
RANKS = 99
"""Draws that a true value is ranked among."""

LEVEL = 0.94
LEAGUES = {
    "12 contestants, 150 votes": (12, 150),
    "12 contestants, 3,000 votes": (12, 3000),
    "50 contestants, 300 votes": (50, 300),
}
"""Simulated for their intervals: contestants and votes."""
PLAIN = ModelSpec(both_bad="out")
ROUNDS = 100
"""Of the bootstrap, as on the boards of LMSYS."""


def ranks(model: str, engine: str, seed: int) -> dict[str, Any]:
    """Where each true parameter lies among draws from its posterior, from 0 to `RANKS`.

    Uniform where the posterior is right (Talts, Betancourt, Simpson, Vehtari and Gelman 2018,
    Validating Bayesian inference algorithms with simulation-based calibration, theorem 1).
    """
    spec = MODELS[model]
    league = draw_league(np.random.default_rng([seed, 1]), spec, *SBC_LEAGUE)
    draws, gave_way = _draws(engine, league.board, spec, seed)
    found = {}
    for name, values in draws.items():
        # The first of each: the others are exchangeable with it.
        flat = values.reshape(values.shape[0] * values.shape[1], -1)[:, 0]
        if name == "voter_kind":
            continue
        thinned = flat[np.linspace(0, len(flat) - 1, RANKS).round().astype(int)]
        found[name] = int((thinned < league.truth[name].ravel()[0]).sum())
    return {"ranks": found, "gave_way": gave_way}


def held(board: str, method: str, seed: int) -> dict[str, Any]:
    """How many intervals of `LEVEL` there are, hold the truth, and how wide they are in Elo."""
    league = draw_league(np.random.default_rng([seed, 2]), PLAIN, *LEAGUES[board])
    start = time.process_time()
    (low, high), gave_way = INTERVALS[method](league, seed)
    seconds = time.process_time() - start
    given = np.isfinite(low) & np.isfinite(high)
    # Who has an interval is rated against the mean of those who have one.
    true = ELO_PER_NAT * league.truth["strength"]
    true = true - true[given].mean() if given.any() else true
    inside = (low <= true) & (true <= high)
    return {
        "given": int(given.sum()),
        "held": int(inside[given].sum()),
        "width": float((high - low)[given].sum()),
        "seconds": seconds,
        "gave_way": gave_way,
    }


def _posterior(engine: str) -> Callable[[League, int], tuple[Bounds, bool]]:
    def interval(league: League, seed: int) -> tuple[Bounds, bool]:
        draws, gave_way = _draws(engine, league.board, PLAIN, seed)
        tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        low, high = ELO_PER_NAT * np.quantile(draws["strength"], tails, axis=(0, 1))
        return (low, high), gave_way

    return interval


def _sandwich(league: League, seed: int) -> tuple[Bounds, bool]:
    return maximum_likelihood(league.board, LikelihoodSettings(anchor=Anchor(0.0))).interval(
        LEVEL
    ), False


def _bootstrap(league: League, seed: int) -> tuple[Bounds, bool]:
    found = bootstrap(
        league.board, LikelihoodSettings(anchor=Anchor(0.0)), rounds=ROUNDS, seed=seed
    )
    return found.interval(LEVEL), False


INTERVALS = {
    "Laplace": _posterior("laplace"),
    "sandwich": _sandwich,
    "bootstrap": _bootstrap,
    "NUTS": _posterior("nuts"),
}


def _draws(
    engine: str, board: Board, spec: ModelSpec, seed: int
) -> tuple[Mapping[str, FloatArray], bool]:
    """By name, and whether the approximation gave way to NUTS."""
    settings = FitSettings(chains=4, draws=500, tune=500, seed=seed)
    gave_way = False
    if engine == "laplace":
        try:
            return laplace.approximate(board, spec, settings).values, False
        except laplace.NotApproximated:
            gave_way = True
    from rostra.arena.ratings.engines import nuts

    return nuts.sample(board, spec, settings, None).values, gave_way
