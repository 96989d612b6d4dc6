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

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.uintp]

DAVIDSON, RAO_KUPPER, BRADLEY_TERRY = range(3)

# With NumPy's errors, what overflows or divides by zero is not finite, and the sampler turns back.
# Loops instead of array expressions: they compile in a fraction of the time.
_compiled = njit(cache=True, nogil=True, error_model="numpy")


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
    else. Adds to gradient[0] and sets gradient[1:size].
    """
    size = len(values)
    precision = math.exp(-2 * x[0])
    squares, total = 0.0, 0.0
    for i in range(size):
        squares += values[i] * values[i] * precision
        by_values[i] -= values[i] * precision
    for i in range(size - 1):
        total += by_values[i]
    shift = total / (math.sqrt(size) + size) + by_values[size - 1] / math.sqrt(size)
    for i in range(1, size):
        gradient[i] = by_values[i - 1] - shift
    z = (x[0] - log_median) / sigma
    gradient[0] += squares - (size - 1) - z / sigma
    return -squares / 2 - (size - 1) * x[0] - z * z / 2


@_compiled
def cell(
    ties: int, eta: float, up: float, tie: float, nu: float, a: float, t: float, b: float
) -> tuple[float, float, float]:
    """Log-likelihood of the votes `a`, `t`, `b` and its derivatives by `eta` and `tie`.

    `up` is exp(eta / 2) and `nu` exp(tie); see `rostra.arena.ratings.outcomes`.
    """
    if ties == DAVIDSON:
        number, down = a + t + b, 1 / up
        total = up + down + nu
        logp = (a - b) * eta / 2 + t * tie - number * math.log(total)
        by_eta = (a - b - number * (up - down) / total) / 2
        return logp, by_eta, t - number * nu / total
    if ties == RAO_KUPPER:
        ahead = (1 + nu) * up * up
        behind = (1 + nu) * (1 + nu) / ahead
        logp = t * (tie + math.log(2 + nu))
        logp -= (a + t) * math.log(1 + behind) + (b + t) * math.log(1 + ahead)
        lost, won = (a + t) * behind / (1 + behind), (b + t) * ahead / (1 + ahead)
        by_tie = t * (1 + nu / (2 + nu)) - (lost + won) * nu / (1 + nu)
        return logp, lost - won, by_tie
    a, number = a + t / 2, a + t + b
    total = 1 + up * up
    return a * eta - number * math.log(total), number / total - (number - a), 0.0


@_compiled
def add_normals(x: FloatArray, start: int, stop: int, sd: float, gradient: FloatArray) -> float:
    """Log density of independent normals x[start:stop]; adds to their part of the gradient."""
    logp = 0.0
    for i in range(start, stop):
        logp -= (x[i] / sd) ** 2 / 2
        gradient[i] -= x[i] / sd**2
    return logp


@_compiled
def weighted(row: FloatArray, x: FloatArray, start: int) -> float:
    """Sum of `row` by as many numbers of `x` from `start` on."""
    total = 0.0
    for k in range(len(row)):
        total += row[k] * x[start + k]
    return total


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

    `x`: log scale, `size` - 1 along the basis of strengths, side if `side`, tie unless
    `BRADLEY_TERRY`, style, tie_style. `votes` [cells, 3]; `style_x` [cells, style];
    `tie_style_x` [cells, tie_style]. The rest are the figures of the priors.
    """
    num_style, num_tie_style = style_x.shape[1], tie_style_x.shape[1]
    at_tie = size + (1 if side else 0)
    at_style = at_tie + (0 if ties == BRADLEY_TERRY else 1)
    at_tie_style = at_style + num_style
    plain_eta = x[size] if side else 0.0
    plain_tie = 0.0 if ties == BRADLEY_TERRY else x[at_tie]
    plain_up, plain_nu = math.exp(plain_eta / 2), math.exp(plain_tie)
    # exp(eta / 2) is a product of these, so that no cell without covariates takes an exponential.
    strengths = from_basis(x, size)
    growth, decay = np.empty(size), np.empty(size)
    for i in range(size):
        growth[i] = math.exp(strengths[i] / 2)
        decay[i] = 1 / growth[i]

    gradient, by_strengths = np.zeros(len(x)), np.zeros(size)
    logp, by_all_eta, by_all_tie = 0.0, 0.0, 0.0
    for c in range(len(left)):
        i, j = left[c], right[c]
        eta = strengths[i] - strengths[j] + plain_eta
        up = growth[i] * decay[j] * plain_up
        tie, nu = plain_tie, plain_nu
        if num_style:
            shift = weighted(style_x[c], x, at_style)
            eta, up = eta + shift, up * math.exp(shift / 2)
        if num_tie_style:
            tie += weighted(tie_style_x[c], x, at_tie_style)
            nu = math.exp(tie)
        more, by_eta, by_tie = cell(ties, eta, up, tie, nu, votes[c, 0], votes[c, 1], votes[c, 2])
        logp += more
        by_strengths[i] += by_eta
        by_strengths[j] -= by_eta
        by_all_eta += by_eta
        by_all_tie += by_tie
        for k in range(num_style):
            gradient[at_style + k] += by_eta * style_x[c, k]
        for k in range(num_tie_style):
            gradient[at_tie_style + k] += by_tie * tie_style_x[c, k]
    if side:
        gradient[size] = by_all_eta
    if ties != BRADLEY_TERRY:
        gradient[at_tie] = by_all_tie
    logp += add_normals(x, size, at_tie, side_sd, gradient)
    logp += add_normals(x, at_tie, at_style, tie_sd, gradient)
    logp += add_normals(x, at_style, len(x), style_sd, gradient)
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
    gradient = np.zeros(size + 1)
    bad = from_basis(x, size)
    growth = np.empty(size)
    for i in range(size):
        growth[i] = math.exp(bad[i])
    plain_growth = math.exp(x[size])
    by_bad = np.zeros(size)
    z = x[size] / mean_sd
    logp, by_mean = -z * z / 2, -z / mean_sd
    for pair in range(len(left)):
        i, j = left[pair], right[pair]
        odds = plain_growth * growth[i] * growth[j]
        logp += votes[pair] * (x[size] + bad[i] + bad[j]) - total[pair] * math.log(1 + odds)
        by_logit = votes[pair] - total[pair] * odds / (1 + odds)
        by_bad[i] += by_logit
        by_bad[j] += by_logit
        by_mean += by_logit
    gradient[size] = by_mean
    return logp + add_zero_sum(x, bad, by_bad, log_median, sigma, gradient), gradient
