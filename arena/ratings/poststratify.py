"""Ratings for those you serve, from the votes of those who voted.

Voters bring their own mix of categories, languages and groups, and the rating of all votes together
is a rating for that mix. With strengths by level, the rating for any other mix is their mean
weighted by its shares, draw by draw, so its interval is wide where the mix rests on levels with
few votes (Gelman and Little 1997, Poststratification into many categories using hierarchical
logistic regression, Survey Methodology 23).

The mean is of strengths, in log odds, so it is linear: the difference of two contestants in the mix
is the weighted mean of their differences at the levels.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior


def mix(posterior: Posterior, weights: Mapping[str, float]) -> Posterior:
    """The posterior with `strength` for a mix of levels, and a note that says which.

    `weights`: by level of `posterior.spec.factor`, whatever they sum to; a level that is not named
    has no share. Strengths by level stay, so another mix can be made of the result.

    Raises:
        RatingsError: the model has no strengths by level, no weight is given, one is of an unknown
            level, or is not a positive number.
    """
    levels = posterior.levels
    if not levels:
        raise RatingsError(
            "a mix is of levels, and these ratings have none: fit by a factor of the votes, "
            "with the structure 'categories'"
        )
    if not weights:
        raise RatingsError(f"no weights; give one for some of {', '.join(levels)}")
    for level, weight in weights.items():
        if level not in levels:
            raise RatingsError(
                f"no {posterior.spec.factor} {level!r}; there are {', '.join(levels)}"
            )
        if not (math.isfinite(weight) and weight > 0):
            raise RatingsError(f"the weight of {level!r} is {weight}; give a positive number")
    total = math.fsum(weights.values())
    shares = np.array([weights.get(level, 0.0) / total for level in levels])
    strength = np.einsum("l,cdli->cdi", shares, posterior.draws["level_strength"])
    note = f"Strengths are for a mix by {posterior.spec.factor}: " + ", ".join(
        f"{level} {share:.1%}" for level, share in zip(levels, shares, strict=True) if share
    )
    diagnostics = posterior.diagnostics
    kept = tuple(
        line for line in diagnostics.notes if not line.startswith("Strengths are for a mix")
    )
    return replace(
        posterior,
        draws={
            **posterior.draws,
            "strength": strength - strength.mean(axis=-1, keepdims=True),
        },
        diagnostics=replace(diagnostics, notes=(*kept, note + ".")),
    )


def traffic(posterior: Posterior) -> Posterior:
    """The mix of the votes themselves: each level by its share of them, both-bad votes included."""
    return mix(posterior, vote_shares(posterior))


def vote_shares(posterior: Posterior) -> dict[str, float]:
    """Share of the votes at each level that has any; empty for a model without levels."""
    if not posterior.levels:
        return {}
    factor = posterior.board.factors[str(posterior.spec.factor)]
    votes = np.bincount(
        factor.codes, posterior.board.table.sum(axis=1), minlength=len(factor.levels)
    )
    found = zip(factor.levels, votes / votes.sum(), strict=True)
    return {level: float(share) for level, share in found if share}


def read_mix(path: Path) -> dict[str, float]:
    """Weights from a file: JSON, an object of weights by level; or CSV, with a line that names the
    columns `level` and `weight`.

    Raises RatingsError when the file is neither, with the line that is wrong; `mix` judges the
    levels and the weights.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RatingsError(f"cannot read the mix {path}: {error}") from error
    rows = _json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text)
    weights: dict[str, float] = {}
    for where, level, weight in rows:
        if level in weights:
            raise RatingsError(f"{path}, {where}: {level!r} has a weight already")
        try:
            weights[level] = float(weight)
        except (TypeError, ValueError):
            raise RatingsError(f"{path}, {where}: weight {weight!r} is not a number") from None
    return weights


def _json_rows(path: Path, text: str) -> list[tuple[str, str, str]]:
    try:
        # Pairs, as a dictionary would drop a level that is named twice.
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise RatingsError(f"{path} is not JSON: {error}") from error
    if not isinstance(pairs, list) or not all(
        isinstance(pair, tuple) and type(pair[1]) in (int, float) for pair in pairs
    ):
        raise RatingsError(f'{path}: give an object of numbers by level, {{"coding": 0.3}}')
    return [(f"entry {number}", *pair) for number, pair in enumerate(pairs, start=1)]


def _csv_rows(path: Path, text: str) -> list[tuple[str, str, str]]:
    reader = csv.DictReader(text.splitlines())
    if not {"level", "weight"} <= set(reader.fieldnames or ()):
        raise RatingsError(f"{path}: the first line must name the columns level and weight")
    return [(f"line {reader.line_num}", row["level"], row["weight"]) for row in reader]
