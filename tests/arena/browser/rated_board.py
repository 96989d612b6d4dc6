"""A posterior that every figure has something of to show; its draws are made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.plots.gallery import Question
from rostra.arena.ratings.plots.history import Result
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

CHAINS, DRAWS = 2, 100
LEVELS = {
    "categories": ("category", ("code", "prose")),
    "drift": ("week", ("2026-09-07", "2026-09-14", "2026-09-21")),
}


def by_level(names: tuple[str, ...], structure: str) -> Posterior:
    """`structure`: `categories` or `drift`; an even board of `names`, each better than the next."""
    factor, levels = LEVELS[structure]
    generator = np.random.default_rng(2)
    size, shape = len(names), (CHAINS, DRAWS)
    means = np.linspace(0.5, -0.5, size)
    strength = means + 0.1 * generator.normal(size=(*shape, size))
    strength -= strength.mean(axis=-1, keepdims=True)
    apart = np.outer(np.linspace(-1, 1, len(levels)), np.linspace(-0.4, 0.4, size))
    left, right = (np.tile(places, len(levels)) for places in np.nonzero(~np.eye(size, dtype=bool)))
    level = np.repeat(np.arange(len(levels)), size * (size - 1))
    return Posterior(
        draws={
            "strength": strength,
            "scale": generator.lognormal(-0.5, 0.1, shape),
            "side": generator.normal(0.1, 0.05, shape),
            "tie": generator.normal(-0.5, 0.1, shape),
            "level_strength": strength[:, :, None, :] + apart,
            "level_scale": generator.lognormal(-1, 0.1, shape),
        },
        board=Board.of(
            names, left, right, [[4, 2, 3, 0]] * len(left), {factor: Factor(levels, level)}
        ),
        spec=ModelSpec(both_bad="out", structure=structure, factor=factor),
        provenance=Provenance(),
        settings=FitSettings(chains=CHAINS, draws=DRAWS),
        diagnostics=Diagnostics(1.0, 812, 700, 0, ()),
        versions={},
        created=datetime(2026, 11, 20, tzinfo=UTC),
    )


def at_equal_style(names: tuple[str, ...]) -> Posterior:
    """The overall ratings at equal length, in the opposite order."""
    voted = by_level(names, "categories")
    size = len(names)
    left, right = np.nonzero(~np.eye(size, dtype=bool))
    length = np.linspace(-1, 1, len(left))
    kept = {name: voted.draws[name] for name in ("scale", "side", "tie")}
    effect = 0.3 + 0.05 * np.random.default_rng(3).normal(size=(CHAINS, DRAWS, 1))
    return replace(
        voted,
        draws={"strength": -voted.strengths, "style": effect, **kept},
        board=Board.of(
            names, left, right, [[4, 2, 3, 0]] * size * (size - 1), None, {"length": length}
        ),
        spec=ModelSpec(both_bad="out", style=("length",)),
        created=voted.created - timedelta(days=1),
    )


def asked(posterior: Posterior) -> Question:
    """Of a posterior whose contestants have prices, and that is the second of its kind."""
    before = Result(posterior.created - timedelta(days=7), posterior.rows)
    return Question(
        prices={name: 1.0 + place for place, name in enumerate(posterior.contestants)},
        currency="EUR",
        earlier=(before, Result(posterior.created, posterior.rows)),
    )
