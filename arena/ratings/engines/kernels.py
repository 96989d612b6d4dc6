"""Log densities with their gradients, by hand: what NUTS evaluates a hundred thousand times.

PyMC's models are the source of truth, and tests compare these with them. They are here because a
graph of the same density takes 20 s to compile in each process and then three times as long an
evaluation; Numba compiles these once and keeps them on disk, for any number of contestants.

A point is unconstrained as PyMC has it: the logarithm of a scale, and one number fewer than
contestants for a zero-sum vector, along an orthonormal basis of the vectors that sum to zero.
Constants that no parameter moves are left out.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rostra.arena.ratings.engines.cells import BRADLEY_TERRY, likelihood, logistic
from rostra.arena.ratings.engines.elementary import exp

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.uintp]

# With NumPy's errors, what overflows or divides by zero is not finite, and the sampler turns back.
# Loops instead of array expressions: they compile in a fraction of the time.
_compiled = njit(nogil=True, error_model="numpy")
# Loops over cells: sums in any order, and a product and a sum in one, so that they are vectorised.
_vectorised = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_compiled
def from_basis(x: FloatArray, size: int) -> FloatArray:
    """[size], sums to zero, from x[1:size]; lengths and angles stay as they are."""
    total = 0.0
    for i in range(1, size):
        total += x[i]
    shift = total / (math.sqrt(size) + size)
    values = np.empty(size)
    for i in range(1, size):
        values[i - 1] = x[i] - shift
    values[size - 1] = -total / math.sqrt(size)
    return values


@_compiled
def add_to_basis(by_values: FloatArray, times: float, found: FloatArray, start: int) -> None:
    """What `from_basis` is to values, for derivatives: adds `times` the derivatives by the free
    numbers, of those by the values [size], to `found` from `start` on."""
    size, whole = len(by_values), 0.0
    for i in range(size - 1):
        whole += by_values[i]
    shift = whole / (math.sqrt(size) + size) + by_values[size - 1] / math.sqrt(size)
    for i in range(size - 1):
        found[start + i] += times * (by_values[i] - shift)


@_compiled
def add_zero_sum(
    x: FloatArray,
    values: FloatArray,
    by_values: FloatArray,
    log_median: float,
    sigma: float,
    gradient: FloatArray,
) -> float:
    """Log density of a zero-sum vector and its scale, x[0] the logarithm of that.

    `values` [size] = from_basis(x, size), `by_values` [size] the derivative by them of everything
    else. Adds to gradient[:size].
    """
    size = len(values)
    precision = math.exp(-2 * x[0])
    squares = 0.0
    for i in range(size):
        squares += values[i] * values[i] * precision
        by_values[i] -= values[i] * precision
    add_to_basis(by_values, 1.0, gradient, 1)
    z = (x[0] - log_median) / sigma
    gradient[0] += squares - (size - 1) - z / sigma
    return -squares / 2 - (size - 1) * x[0] - z * z / 2


@_compiled
def add_normals(x: FloatArray, start: int, stop: int, sd: float, gradient: FloatArray) -> float:
    """Log density of independent normals x[start:stop]; adds to their part of the gradient."""
    logp = 0.0
    for i in range(start, stop):
        logp -= (x[i] / sd) ** 2 / 2
        gradient[i] -= x[i] / sd**2
    return logp


@_compiled
def add_ends(
    left: IndexArray, right: IndexArray, by_cell: FloatArray, sign: float, by_end: FloatArray
) -> float:
    """Adds `by_cell` [cells] to `by_end` at `left`, times `sign` at `right`; the sum of `by_cell`.

    What stands together of one left is added up first: cells are in its order, and adding to one
    place in memory again and again waits for each.
    """
    whole, of_one = 0.0, 0.0
    for c in range(len(left)):
        of_one += by_cell[c]
        by_end[right[c]] += sign * by_cell[c]
        if c + 1 == len(left) or left[c + 1] != left[c]:
            by_end[left[c]] += of_one
            whole, of_one = whole + of_one, 0.0
    return whole


@_vectorised
def total(values: FloatArray) -> float:
    found = 0.0
    for i in range(len(values)):
        found += values[i]
    return found


@_compiled
def add_covariates(values: FloatArray, design: FloatArray, x: FloatArray, start: int) -> None:
    """Adds to `values` [cells] the rows of `design` by as many numbers of `x` from `start` on."""
    for c in range(len(values)):
        for k in range(design.shape[1]):
            values[c] += design[c, k] * x[start + k]


@_compiled
def pull_covariates(
    by_values: FloatArray, design: FloatArray, gradient: FloatArray, start: int
) -> None:
    """What `add_covariates` is to values, for derivatives: adds to `gradient` from `start` on."""
    for c in range(len(by_values)):
        for k in range(design.shape[1]):
            gradient[start + k] += design[c, k] * by_values[c]


@_vectorised
def set_exp(values: FloatArray, found: FloatArray) -> None:
    for i in range(len(values)):
        found[i] = exp(values[i])


@_compiled
def at_style(size: int, ties: int, side: bool) -> int:
    """Where style begins in a point: behind the strengths, side and tie."""
    return size + (1 if side else 0) + (0 if ties == BRADLEY_TERRY else 1)


@_compiled
def predict(
    x: FloatArray,
    size: int,
    ties: int,
    side: bool,
    values: FloatArray,
    left: IndexArray,
    right: IndexArray,
    style_x: FloatArray,
    tie_style_x: FloatArray,
    eta: FloatArray,
    tie: FloatArray,
    nu: FloatArray,
) -> None:
    """Sets `eta`, `tie` and `nu` [cells] of strengths `values`, which `left` and `right` point to.

    `x` from `size` on: side if `side`, tie unless `BRADLEY_TERRY`, style, tie_style. `style_x`
    [cells, style]; `tie_style_x` [cells, tie_style].
    """
    first = at_style(size, ties, side)
    plain_eta = x[size] if side else 0.0
    plain_tie = 0.0 if ties == BRADLEY_TERRY else x[first - 1]
    for c in range(len(left)):
        eta[c] = values[left[c]] - values[right[c]] + plain_eta
    tie[:] = plain_tie
    nu[:] = math.exp(plain_tie)
    if style_x.shape[1]:
        add_covariates(eta, style_x, x, first)
    if tie_style_x.shape[1]:
        add_covariates(tie, tie_style_x, x, first + style_x.shape[1])
        set_exp(tie, nu)


@_compiled
def add_predicted(
    x: FloatArray,
    size: int,
    ties: int,
    side: bool,
    left: IndexArray,
    right: IndexArray,
    style_x: FloatArray,
    tie_style_x: FloatArray,
    side_sd: float,
    tie_sd: float,
    style_sd: float,
    by_eta: FloatArray,
    by_tie: FloatArray,
    by_values: FloatArray,
    gradient: FloatArray,
) -> float:
    """What `predict` is to values, for derivatives: adds to `by_values` and `gradient`. The log
    prior density of side, tie and styles, whose derivatives are added too."""
    first = at_style(size, ties, side)
    second = first + style_x.shape[1]
    by_all_eta = add_ends(left, right, by_eta, -1.0, by_values)
    if style_x.shape[1]:
        pull_covariates(by_eta, style_x, gradient, first)
    if tie_style_x.shape[1]:
        pull_covariates(by_tie, tie_style_x, gradient, second)
    if side:
        gradient[size] += by_all_eta
    at_tie = size + (1 if side else 0)
    if ties != BRADLEY_TERRY:
        gradient[at_tie] += total(by_tie)
    logp = add_normals(x, size, at_tie, side_sd, gradient)
    logp += add_normals(x, at_tie, first, tie_sd, gradient)
    return logp + add_normals(x, first, second + tie_style_x.shape[1], style_sd, gradient)


@_compiled
def order(
    x: FloatArray,
    size: int,
    ties: int,
    side: bool,
    left: IndexArray,
    right: IndexArray,
    votes: FloatArray,
    style_x: FloatArray,
    tie_style_x: FloatArray,
    log_median: float,
    sigma: float,
    side_sd: float,
    tie_sd: float,
    style_sd: float,
) -> tuple[float, FloatArray]:
    """Log density of the structure "overall" at `x`, and its gradient, as long as `x`.

    `x`: log scale, `size` - 1 along the basis of strengths, then as `predict` says. `votes`
    [3, cells]. The rest are the figures of the priors.
    """
    strengths, cells = from_basis(x, size), len(left)
    eta, tie, nu = np.empty(cells), np.empty(cells), np.empty(cells)
    predict(x, size, ties, side, strengths, left, right, style_x, tie_style_x, eta, tie, nu)
    by_eta, by_tie = np.empty(cells), np.zeros(cells)
    logp = likelihood(ties, votes, eta, tie, nu, by_eta, by_tie)
    gradient, by_strengths = np.zeros(len(x)), np.zeros(size)
    logp += add_predicted(
        x,
        size,
        ties,
        side,
        left,
        right,
        style_x,
        tie_style_x,
        side_sd,
        tie_sd,
        style_sd,
        by_eta,
        by_tie,
        by_strengths,
        gradient,
    )
    return logp + add_zero_sum(x, strengths, by_strengths, log_median, sigma, gradient), gradient


@_compiled
def both_bad(
    x: FloatArray,
    size: int,
    left: IndexArray,
    right: IndexArray,
    votes: FloatArray,
    total: FloatArray,
    log_median: float,
    sigma: float,
    mean_sd: float,
) -> tuple[float, FloatArray]:
    """Log density of `rostra.arena.ratings.models.both_bad` at `x`, and its gradient.

    `x`: log bad_scale, `size` - 1 along the basis of bad, bad_mean. `votes` and `total` [pairs].
    """
    bad, pairs = from_basis(x, size), len(left)
    logit, by_logit = np.empty(pairs), np.empty(pairs)
    for pair in range(pairs):
        logit[pair] = bad[left[pair]] + bad[right[pair]] + x[size]
    logp = logistic(votes, total, logit, by_logit)

    gradient, by_bad = np.zeros(size + 1), np.zeros(size)
    gradient[size] = add_ends(left, right, by_logit, 1.0, by_bad)
    logp += add_normals(x, size, size + 1, mean_sd, gradient)
    return logp + add_zero_sum(x, bad, by_bad, log_median, sigma, gradient), gradient
