"""Posterior densities that need no compiled graph: the kernels, bound to the votes of a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    jitter: float = field(default=1.0, kw_only=True)
    """How far from `centre` a chain may begin."""

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
        return np.asarray(self.centre + self.jitter * rng.uniform(-1, 1, self.ndim))

    def variables(self, points: FloatArray) -> dict[str, FloatArray]:
        """By name, each [..., its dimensions], of `points` [..., ndim]."""
        return self.split(points)

    def split(self, points: FloatArray) -> dict[str, FloatArray]:
        """The free variables of `points`, constrained."""
        ends = np.cumsum(list(self.layout.values()))[:-1]
        split = dict(zip(self.layout, np.split(points, ends, axis=-1), strict=True))
        scale, vector = list(split)[:2]
        split[scale] = np.exp(split[scale])
        split[vector] = from_basis(split[vector])
        scalars = (scale, "side", "tie", "bad_mean")
        return {name: x[..., 0] if name in scalars else x for name, x in split.items()}


def order(size: int, spec: ModelSpec, data: Data) -> Density:
    """The density of `rostra.arena.ratings.models.overall` for `size` contestants."""
    layout = shared_layout(size, spec)
    votes = np.ascontiguousarray(data["votes"].T, dtype=np.float64)
    none = np.empty((votes.shape[1], 0))
    arrays = (
        np.array([callback.ORDER, size, LIKELIHOODS[spec.ties], spec.side]),
        *_indices(data["left"], data["right"]),
        votes,
        data.get("style_x", none),
        data.get("tie_style_x", none),
        np.array(shared_priors(spec)),
        *_nothing_beside(),
    )
    return Density(layout, centre(layout, spec.priors.scale_median), arrays)


def shared_layout(size: int, spec: ModelSpec) -> dict[str, int]:
    """What a point of every structure begins with."""
    layout = {"scale": 1, "strength": size - 1}
    if spec.side:
        layout["side"] = 1
    if spec.ties != "bradley-terry":
        layout["tie"] = 1
    for name in ("style", "tie_style"):
        if number := len(getattr(spec, name)):
            layout[name] = number
    return layout


def shared_priors(spec: ModelSpec) -> list[float]:
    """Figures of the priors of `shared_layout`, as `kernels.order` takes them."""
    priors = spec.priors
    return [
        float(np.log(priors.scale_median)),
        priors.scale_sigma,
        priors.side_sd,
        priors.tie_sd,
        priors.style_sd,
    ]


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
        *_nothing_beside(),
    )
    return Density(layout, centre(layout, priors.bad_scale_median), arrays)


def _indices(*columns: NDArray[np.int64]) -> list[NDArray[np.uintp]]:
    """Unsigned, which spares the compiled loops a look at the end of the array for each."""
    return [column.astype(np.uintp) for column in columns]


def centre(layout: Mapping[str, int], scale_median: float) -> FloatArray:
    """[ndim], at zero but for the scale, which is at its median."""
    found = np.zeros(sum(layout.values()))
    found[0] = np.log(scale_median)
    return found


def _nothing_beside() -> tuple[NDArray[Any], ...]:
    """The arrays that only some structures have."""
    return np.empty((0, 0)), np.empty(0, dtype=np.uintp), np.empty((0, 0))


def from_basis(free: FloatArray) -> FloatArray:
    """[..., n], each sums to zero, from `free` [..., n - 1], as `kernels.from_basis`."""
    n = free.shape[-1] + 1
    total = free.sum(axis=-1, keepdims=True)
    head = free - total / (np.sqrt(n) + n)
    return np.concatenate([head, -total / np.sqrt(n)], axis=-1)
