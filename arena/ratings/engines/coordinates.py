"""Between nearly standard normal coordinates and a point of a density: see `whitening`.

Both ways take the map in the order of `Map`: the scale's typical logarithm and its spread; how much
the votes tell of each axis; where they pull along it; the axes [size, size] and their transpose;
the typical values of the vector and the others; the others' regression on the vector [others,
size]; the factor of what is left of them [others, others].
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def to_point(
    z: FloatArray,
    scale: FloatArray,
    told: FloatArray,
    pull: FloatArray,
    axes: FloatArray,
    axes_transposed: FloatArray,
    mode: FloatArray,
    regression: FloatArray,
    residual: FloatArray,
) -> FloatArray:
    """The point [ndim] of `z`: the scale's logarithm, the vector, the others."""
    size, others = len(told), len(mode) - len(told)
    x = np.zeros(len(z))
    x[0] = scale[0] + scale[1] * z[0]
    tau = math.exp(-2 * x[0])
    for k in range(size):
        precision = told[k] + tau
        along = pull[k] / precision + z[1 + k] / math.sqrt(precision)
        for i in range(size):
            x[1 + i] += axes_transposed[k, i] * along
    for i in range(others):
        value = mode[size + i]
        for k in range(size):
            value += regression[i, k] * (x[1 + k] - mode[k])
        for k in range(others):
            value += residual[i, k] * z[1 + size + k]
        x[1 + size + i] = value
    return x


@_compiled
def to_points(
    z: FloatArray,
    scale: FloatArray,
    told: FloatArray,
    pull: FloatArray,
    axes: FloatArray,
    axes_transposed: FloatArray,
    mode: FloatArray,
    regression: FloatArray,
    residual: FloatArray,
) -> FloatArray:
    """`to_point` of each row."""
    x = np.empty(z.shape)
    for row in range(len(z)):
        x[row] = to_point(
            z[row], scale, told, pull, axes, axes_transposed, mode, regression, residual
        )
    return x


@_compiled
def pull_back(
    z: FloatArray,
    value: float,
    by_point: FloatArray,
    scale: FloatArray,
    told: FloatArray,
    pull: FloatArray,
    axes: FloatArray,
    axes_transposed: FloatArray,
    mode: FloatArray,
    regression: FloatArray,
    residual: FloatArray,
) -> tuple[float, FloatArray]:
    """Log density at `z` and its gradient, from those at its point."""
    size, others = len(told), len(mode) - len(told)
    gradient = np.zeros(len(z))
    tau = math.exp(-2 * (scale[0] + scale[1] * z[0]))
    for k in range(others):
        for i in range(others):
            gradient[1 + size + k] += residual[i, k] * by_point[1 + size + i]
    along = np.zeros(size)
    for i in range(size):
        by_value = by_point[1 + i]
        for j in range(others):
            by_value += regression[j, i] * by_point[1 + size + j]
        for k in range(size):
            along[k] += axes[i, k] * by_value
    by_log_scale = by_point[0]
    for k in range(size):
        precision = told[k] + tau
        prior, sd, mean = tau / precision, 1 / math.sqrt(precision), pull[k] / precision
        gradient[1 + k] = along[k] * sd
        value -= math.log(precision) / 2
        by_log_scale += prior * (1 + along[k] * (2 * mean + sd * z[1 + k]))
    gradient[0] = scale[1] * by_log_scale
    return value, gradient
