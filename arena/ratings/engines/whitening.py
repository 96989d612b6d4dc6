"""Coordinates in which a posterior is nearly standard normal, where NUTS needs few and long steps.

Given the scale, the posterior of the other parameters is nearly the Gaussian at their mode
(`newton`). The strengths are turned to the axes of what the votes tell of them, where each has a
mean and a standard deviation that follow the scale in closed form: with few votes the prior's, as
in the non-centred form, with many the likelihood's, as in the centred one (Papaspiliopoulos,
Roberts and Sköld 2007, Statistical Science 22, go from one to the other by a weight for each). What
is left of the others is turned by a Cholesky factor. The density is the exact one with the
Jacobian of that map: only how fast the chains move depends on how good the Gaussian is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, eigh, solve_triangular

from rostra.arena.ratings.engines import callback
from rostra.arena.ratings.engines.block import Words, pack
from rostra.arena.ratings.engines.coordinates import to_points
from rostra.arena.ratings.engines.densities import Density
from rostra.arena.ratings.engines.latent import LatentModel
from rostra.arena.ratings.engines.newton import Conditional, conditional

FloatArray = NDArray[np.float64]

ROUNDS = 3
"""Of finding the mode given the scale, and a scale given the mode."""


@dataclass(frozen=True)
class Whitened:
    """A density, and the map to its points from nearly standard normal ones."""

    density: Density
    map: tuple[FloatArray, ...]
    """As `coordinates` takes it."""
    block: Words
    """The density's with the map, for `callback`."""

    @property
    def ndim(self) -> int:
        return self.density.ndim

    def logp(self, z: FloatArray) -> tuple[float, FloatArray]:
        """Log density at `z` [ndim] but for a constant, and its gradient [ndim]."""
        return callback.log_density(self.block, z)

    def start(self, rng: np.random.Generator) -> FloatArray:
        """Where a chain may begin, [ndim]: wider apart than the posterior."""
        return rng.uniform(-2, 2, self.ndim)

    def variables(self, z: FloatArray) -> dict[str, FloatArray]:
        """By name, each [..., its dimensions], of `z` [..., ndim]."""
        flat = np.ascontiguousarray(z).reshape(-1, self.ndim)
        return self.density.variables(to_points(flat, *self.map).reshape(z.shape))


def whiten(density: Density, model: LatentModel) -> Whitened:
    """`density` in the coordinates that `model`, its form with one unknown scale, leads to.

    Raises NotApproximated where no mode can be found.
    """
    (vector, *others), (prior,) = list(density.layout)[1:], model.scales.values()
    places = [np.arange(model.size)[model.slices[name]] for name in (vector, *others)]
    found = _typical(model, prior.start, places[0])
    log_scale = found.log_scales
    size = len(places[0])
    order = np.concatenate(places)
    mode = found.mode[order]
    precision = (found.cholesky @ found.cholesky.T)[np.ix_(order, order)]
    tau = float(np.exp(-2 * log_scale[0]))
    factor = cholesky(precision[size:, size:], lower=True)
    regression = cho_solve((factor, True), precision[size:, :size])
    marginal = precision[:size, :size] - precision[:size, size:] @ regression
    told, axes = eigh(marginal - tau * np.eye(size))
    told = told.clip(min=0.0)
    pull = (told + tau) * (axes.T @ mode[:size])
    # The likelihood's share in the curvature of the scale's logarithm, and the prior's.
    known = told / (told + tau)
    spread = 1 / math.sqrt(2 * float(known @ known) + prior.log_sd**-2)
    residual = solve_triangular(factor, np.eye(len(factor)), lower=True, trans="T")
    found_map = (
        np.array([log_scale[0], spread]),
        told,
        pull,
        np.ascontiguousarray(axes),
        np.ascontiguousarray(axes.T),
        mode,
        np.ascontiguousarray(-regression),
        np.ascontiguousarray(residual),
    )
    return Whitened(density, found_map, pack([*density.arrays, *found_map]))


def _typical(model: LatentModel, log_scale: float, vector: NDArray[np.int64]) -> Conditional:
    """At a scale as large as the vector is at its mode and round it."""
    found = conditional(model, np.array([log_scale]), np.zeros(model.size))
    for _ in range(ROUNDS - 1):
        covariance = cho_solve((found.cholesky, True), np.eye(model.size))
        square = found.mode[vector] ** 2 + np.diag(covariance)[vector]
        found = conditional(model, np.log(square.mean(keepdims=True)) / 2, found.mode)
    return found
