"""Posterior densities that need no compiled graph: the kernels, bound to the votes of a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.engines import callback, cells
from rostra.arena.ratings.engines.block import Words, pack
from rostra.arena.ratings.spec import ModelSpec, Ties

FloatArray = NDArray[np.float64]
Data = Mapping[str, NDArray[Any]]

LIKELIHOODS: dict[Ties, int] = {
    "davidson": cells.DAVIDSON,
    "rao-kupper": cells.RAO_KUPPER,
    "bradley-terry": cells.BRADLEY_TERRY,
}


@dataclass(frozen=True)
class Density:
    """A log density over unconstrained points, and what a point means."""

    layout: Mapping[str, int]
    """Names of the free variables in the order of a point, and how many numbers each takes; the
    first is a scale, as its logarithm, the second a vector that sums to zero."""
    centre: FloatArray
    """[ndim], where the priors are at home."""
    arrays: tuple[NDArray[Any], ...]
    """The model and its votes, as `callback` reads them."""

    @property
    def ndim(self) -> int:
        return len(self.centre)

    @cached_property
    def block(self) -> Words:
        return pack(self.arrays)

    def logp(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Log density at a point [ndim] but for a constant, and its gradient [ndim]."""
        return callback.log_density(self.block, x)

    def start(self, rng: np.random.Generator) -> FloatArray:
        """Where a chain may begin, [ndim]."""
        return np.asarray(self.centre + rng.uniform(-1, 1, self.ndim))

    def variables(self, points: FloatArray) -> dict[str, FloatArray]:
        """By name, each [..., its dimensions], of `points` [..., ndim]."""
        ends = np.cumsum(list(self.layout.values()))[:-1]
        split = dict(zip(self.layout, np.split(points, ends, axis=-1), strict=True))
        scale, vector = list(split)[:2]
        split[scale] = np.exp(split[scale])
        split[vector] = _from_basis(split[vector])
        scalars = (scale, "side", "tie", "bad_mean")
        return {name: x[..., 0] if name in scalars else x for name, x in split.items()}


def order(size: int, spec: ModelSpec, data: Data) -> Density:
    """The density of `rostra.arena.ratings.models.overall` for `size` contestants."""
    layout = {"scale": 1, "strength": size - 1}
    if spec.side:
        layout["side"] = 1
    if spec.ties != "bradley-terry":
        layout["tie"] = 1
    for name in ("style", "tie_style"):
        if number := len(getattr(spec, name)):
            layout[name] = number
    votes = np.ascontiguousarray(data["votes"].T, dtype=np.float64)
    none = np.empty((votes.shape[1], 0))
    priors = spec.priors
    arrays = (
        np.array([callback.ORDER, size, LIKELIHOODS[spec.ties], spec.side]),
        *_indices(data["left"], data["right"]),
        votes,
        data.get("style_x", none),
        data.get("tie_style_x", none),
        np.array(
            [
                np.log(priors.scale_median),
                priors.scale_sigma,
                priors.side_sd,
                priors.tie_sd,
                priors.style_sd,
            ]
        ),
    )
    return Density(layout, _centre(layout, priors.scale_median), arrays)


def both_bad(size: int, spec: ModelSpec, data: Data) -> Density:
    """The density of `rostra.arena.ratings.models.both_bad` for `size` contestants."""
    layout = {"bad_scale": 1, "bad": size - 1, "bad_mean": 1}
    priors = spec.priors
    none = np.empty((0, 0))
    arrays = (
        np.array([callback.BOTH_BAD, size, 0, 0]),
        *_indices(data["bad_left"], data["bad_right"]),
        np.array([data["bad_votes"], data["all_votes"]], dtype=np.float64),
        none,
        none,
        np.array([np.log(priors.bad_scale_median), priors.scale_sigma, priors.tie_sd]),
    )
    return Density(layout, _centre(layout, priors.bad_scale_median), arrays)


def _indices(*columns: NDArray[np.int64]) -> list[NDArray[np.uintp]]:
    """Unsigned, which spares the compiled loops a look at the end of the array for each."""
    return [column.astype(np.uintp) for column in columns]


def _centre(layout: Mapping[str, int], scale_median: float) -> FloatArray:
    centre = np.zeros(sum(layout.values()))
    centre[0] = np.log(scale_median)
    return centre


def _from_basis(free: FloatArray) -> FloatArray:
    """[..., n], each sums to zero, from `free` [..., n - 1], as `kernels.from_basis`."""
    n = free.shape[-1] + 1
    total = free.sum(axis=-1, keepdims=True)
    head = free - total / (np.sqrt(n) + n)
    return np.concatenate([head, -total / np.sqrt(n)], axis=-1)
