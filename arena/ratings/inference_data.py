"""A posterior as ArviZ InferenceData: what is in the NetCDF file.

    posterior       the draws by the names of `DIMS`, natural log odds, and `rating` in Elo
    observed_data   `votes` [cell, outcome]
    constant_data   `left`, `right` [cell], index of the contestants; for each factor
                    `factor_<name>` [cell] and `levels_<name>`; for each covariate
                    `covariate_<name>` [cell]

Everything else is JSON in the attribute `rostra` of the group `posterior`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import arviz as az
import numpy as np

from rostra.arena.ratings.board import OUTCOMES, Board, Factor
from rostra.arena.ratings.description import description, parts
from rostra.arena.ratings.models.values import judge_names
from rostra.arena.ratings.posterior import DIMS, Posterior
from rostra.arena.ratings.spec import KINDS

FACTOR, LEVELS, COVARIATE = "factor_", "levels_", "covariate_"
OTHER_NAMES = {"style": "covariate", "tie_style": "tie_covariate"}
"""Dimensions that would have the name of a variable."""


def to_inference_data(posterior: Posterior) -> az.InferenceData:
    """All of `posterior` but when it was made, so that equal ones give equal data."""
    board = posterior.board
    levels = board.factors[posterior.spec.factor].levels if posterior.spec.factor else ()
    coords = {
        "contestant": board.contestants,
        "outcome": OUTCOMES,
        "covariate": posterior.spec.style,
        "tie_covariate": posterior.spec.tie_style,
        "level": levels,
        "voter": levels,
        "kind": KINDS,
        "judge": judge_names(levels),
        "bias": posterior.spec.judge_biases,
    }
    cells = {
        "left": board.left,
        "right": board.right,
        **{FACTOR + name: factor.codes for name, factor in board.factors.items()},
        **{COVARIATE + name: x for name, x in board.covariates.items()},
    }
    names = {LEVELS + name: list(factor.levels) for name, factor in board.factors.items()}
    draws = {**posterior.draws, "rating": posterior.ratings}
    own = {
        name: [OTHER_NAMES.get(dim, dim) for dim in dims]
        for name, dims in {**DIMS, "rating": ("contestant",)}.items()
        if name in draws
    }
    used = {dim for dims in own.values() for dim in dims} | {"outcome"}
    data = az.from_dict(
        posterior=draws,
        observed_data={"votes": board.table},
        constant_data={**cells, **{name: np.array(x, dtype=object) for name, x in names.items()}},
        coords={dim: list(values) for dim, values in coords.items() if dim in used},
        dims={
            **own,
            "votes": ["cell", "outcome"],
            **{name: ["cell"] for name in cells},
            **{name: [f"{name}_number"] for name in names},
        },
    )
    for group in data.groups():
        data[group].attrs.pop("created_at", None)
    data.posterior.attrs["rostra"] = json.dumps(description(posterior))
    return data


def format_of(data: az.InferenceData) -> int:
    """Of whichever version wrote it; see `description.FORMAT`."""
    return int(json.loads(data["posterior"].attrs["rostra"])["format"])


def from_inference_data(data: az.InferenceData, created: datetime) -> Posterior:
    """What `to_inference_data` was given, made at `created`."""
    draws = data["posterior"]
    told = json.loads(draws.attrs["rostra"])
    contestants = tuple(str(name) for name in draws["contestant"].values)
    return Posterior(
        draws={name: draws[name].values for name in draws if name in DIMS},
        board=_board(data, contestants, told["factors"], told["covariates"]),
        **parts(told),
        created=created,
    )


def _board(
    data: az.InferenceData,
    contestants: tuple[str, ...],
    factors: Sequence[str],
    covariates: Sequence[str],
) -> Board:
    cells = data["constant_data"]
    return Board(
        contestants=contestants,
        left=cells["left"].values,
        right=cells["right"].values,
        table=data["observed_data"]["votes"].sel(outcome=list(OUTCOMES)).values,
        factors={
            name: Factor(
                tuple(str(level) for level in cells[LEVELS + name].values),
                cells[FACTOR + name].values,
            )
            for name in factors
        },
        covariates={name: cells[COVARIATE + name].values for name in covariates},
    )
