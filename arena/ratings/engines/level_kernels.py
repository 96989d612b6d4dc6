"""Log density, with its gradient, of strengths at levels: categories, and periods of a drift.

See `kernels`: a point begins as that of `kernels.order`, and what this has beyond it follows.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rostra.arena.ratings.engines.cells import likelihood
from rostra.arena.ratings.engines.kernels import (
    IndexArray,
    add_normals,
    add_predicted,
    add_to_basis,
    add_zero_sum,
    at_style,
    from_basis,
    predict,
)

FloatArray = NDArray[np.float64]

_compiled = njit(nogil=True, error_model="numpy")


@_compiled
def half_normal(log_scale: float, sd: float) -> tuple[float, float]:
    """Log density of the logarithm of a half-normal scale, and its derivative."""
    square = (math.exp(log_scale) / sd) ** 2
    return log_scale - square / 2, 1 - square


@_compiled
def level_values(
    x: FloatArray, size: int, start: int, weight: FloatArray, mix: FloatArray, scale: float
) -> FloatArray:
    """[levels * size], strengths at each level:

        weight[level] * strength + scale * sum over k of mix[level, k] * deviation[k]

    `mix` [levels, deviations]; each deviation along the basis, `size` - 1 numbers of `x`, one after
    another from `start` on.
    """
    values, free = np.empty(len(mix) * size), np.empty(size)
    for level in range(len(mix)):
        for i in range(1, size):
            free[i] = weight[level] * x[i]
        for k in range(mix.shape[1]):
            share, first = scale * mix[level, k], start + k * (size - 1) - 1
            if share != 0.0:
                for i in range(1, size):
                    free[i] += share * x[first + i]
        values[level * size : (level + 1) * size] = from_basis(free, size)
    return values


@_compiled
def add_levels(
    x: FloatArray,
    size: int,
    start: int,
    weight: FloatArray,
    mix: FloatArray,
    scale: float,
    by_values: FloatArray,
    by_strengths: FloatArray,
    gradient: FloatArray,
) -> tuple[float, float]:
    """What `level_values` is to values, for derivatives: adds to `by_strengths` [size] and to
    `gradient`. The derivative by the scale's logarithm, and the log prior density of the
    deviations, standard normal, whose derivatives are added too."""
    stop = start + mix.shape[1] * (size - 1)
    for level in range(len(mix)):
        here = by_values[level * size : (level + 1) * size]
        for i in range(size):
            by_strengths[i] += weight[level] * here[i]
        for k in range(mix.shape[1]):
            if mix[level, k] != 0.0:
                add_to_basis(here, scale * mix[level, k], gradient, start + k * (size - 1))
    by_log_scale = 0.0
    for i in range(start, stop):
        by_log_scale += x[i] * gradient[i]
    return by_log_scale, add_normals(x, start, stop, 1.0, gradient)


@_compiled
def levels(
    x: FloatArray,
    size: int,
    ties: int,
    side: bool,
    left: IndexArray,
    right: IndexArray,
    votes: FloatArray,
    style_x: FloatArray,
    tie_style_x: FloatArray,
    mix: FloatArray,
    priors: FloatArray,
) -> tuple[float, FloatArray]:
    """Log density of the structures "categories" and "drift".

    `x` goes on with the logarithm of level_scale and the deviations. `left` and `right` point into
    the strengths of all levels, one level after another; `mix` as in `level_values`.
    """
    at_scale = at_style(size, ties, side) + style_x.shape[1] + tie_style_x.shape[1]
    scale, weight, cells = math.exp(x[at_scale]), np.ones(len(mix)), len(left)
    values = level_values(x, size, at_scale + 1, weight, mix, scale)
    eta, tie, nu = np.empty(cells), np.empty(cells), np.empty(cells)
    predict(x, size, ties, side, values, left, right, style_x, tie_style_x, eta, tie, nu)
    by_eta, by_tie = np.empty(cells), np.zeros(cells)
    logp = likelihood(ties, votes, eta, tie, nu, by_eta, by_tie)

    gradient, by_values, by_strengths = np.zeros(len(x)), np.zeros(len(values)), np.zeros(size)
    logp += add_predicted(
        x,
        size,
        ties,
        side,
        left,
        right,
        style_x,
        tie_style_x,
        priors[2],
        priors[3],
        priors[4],
        by_eta,
        by_tie,
        by_values,
        gradient,
    )
    by_scale, deviations = add_levels(
        x, size, at_scale + 1, weight, mix, scale, by_values, by_strengths, gradient
    )
    spread, by_spread = half_normal(x[at_scale], priors[5])
    gradient[at_scale] = by_scale + by_spread
    logp += deviations + spread
    strengths = from_basis(x, size)
    return logp + add_zero_sum(x, strengths, by_strengths, priors[0], priors[1], gradient), gradient
