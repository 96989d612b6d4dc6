"""`summary.json`: all that is derived from a posterior, for readers without its draws.

One object, one entry to a line, in this order. Arrays are in the order of `contestants`. `null` is
a number that the votes do not give: a probability across groups that no votes link, the share of
nothing, votes that would never suffice; `diagnostics` and the cautions of `ratings` say why.

    format, data_hash, factors, covariates, spec, settings, provenance, diagnostics, versions
                  see `description`; the fields are those of the classes so named
    summary       sentences: how much was counted, whether to rely on it, what to know
    ok            whether to rely on it
    anchor        where the Elo scale is fixed, in words
    votes         number by outcome, and `total`
    contestants   names, in ascending order
    ratings       one object to a contestant, by descending rating: the fields of `table.Row`
    ranks         `distribution` [contestants, ranks], `expected` [contestants]
    pairs         `superiority`, `win`, `tie` [contestants, contestants], `win_50`, `win_94`
                  [contestants, contestants, 2]: the fields of `summary.pairs.Pairs`
    tiers         `width`, `separated` [contestants, contestants], `tier` [contestants]
    separations   neighbours: the fields of `summary.separation.Separation`
    field         arrays [contestants]: the fields of `summary.field.Field`
    parameters    sides, ties, style: the fields of `summary.parameters.Parameter`
    predictive    checks and shares: the fields of `summary.predictive.Predictive`, and `notes`
    levels        the fields of `summary.levels.LevelRating`; empty for a model without levels
    graph         who met whom: the fields of `summary.graph.Graph`, without the matrix
    transitivity  preferences that go round: the fields of `summary.transitivity.Transitivity`
    robustness    how few votes hold the first rank: those of `summary.robustness.Robustness`
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.description import description
from rostra.arena.ratings.summary.field import field
from rostra.arena.ratings.summary.graph import graph
from rostra.arena.ratings.summary.levels import level_ratings
from rostra.arena.ratings.summary.parameters import parameters
from rostra.arena.ratings.summary.robustness import robustness
from rostra.arena.ratings.summary.separation import separations
from rostra.arena.ratings.summary.transitivity import transitivity

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

REPLICATIONS = 100
"""Of the votes, for `transitivity`, which takes seconds on a large board."""


def document(posterior: Posterior) -> bytes:
    """The file, UTF-8."""
    lines = (
        f"{msgspec.json.encode(name).decode()}: {msgspec.json.encode(_plain(value)).decode()}"
        for name, value in _entries(posterior).items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _entries(posterior: Posterior) -> dict[str, Any]:
    board = posterior.board
    by_outcome = dict(zip(OUTCOMES, board.table.sum(axis=0).tolist(), strict=True))
    ranks, checked = posterior.ranks, posterior.predictive
    graph_ = _fields(graph(board))
    del graph_["met"]
    return {
        **description(posterior),
        "summary": posterior.summary,
        "ok": posterior.diagnostics.ok,
        "anchor": str(posterior.settings.anchor),
        "votes": {"total": board.num_votes, **by_outcome},
        "contestants": posterior.contestants,
        "ratings": posterior.rows,
        "ranks": {"distribution": ranks.distribution, "expected": ranks.expected},
        "pairs": posterior.pairs,
        "tiers": posterior.tiers,
        "separations": separations(posterior),
        "field": field(posterior),
        "parameters": parameters(posterior),
        "predictive": {**_fields(checked), "notes": checked.notes},
        "levels": level_ratings(posterior),
        "graph": graph_,
        "transitivity": transitivity(posterior, REPLICATIONS),
        "robustness": robustness(posterior),
    }


def _fields(result: Any) -> dict[str, Any]:
    return {part.name: getattr(result, part.name) for part in fields(result)}


def _plain(value: Any) -> Any:
    """What JSON has: no arrays, no NaN, no infinity."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if is_dataclass(value):
        return _plain(_fields(value))
    return value
