"""Log density, with its gradient, of judges' verdicts beside people's votes.

See `kernels`: a point begins as that of `kernels.order`, and what this has beyond it follows.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rostra.arena.ratings.engines.cells import BRADLEY_TERRY, likelihood
from rostra.arena.ratings.engines.kernels import (
    IndexArray,
    add_normals,
    add_predicted,
    add_zero_sum,
    at_style,
    from_basis,
    predict,
    set_exp,
)
from rostra.arena.ratings.engines.level_kernels import add_levels, half_normal, level_values

FloatArray = NDArray[np.float64]

_compiled = njit(nogil=True, error_model="numpy")


@_compiled
def judges(
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
    judge_of: IndexArray,
    judge_x: FloatArray,
    priors: FloatArray,
) -> tuple[float, FloatArray]:
    """Log density of the structure "judges".

    `x` goes on with the logarithm of taste_scale, the tastes, the weights, where there are biases
    the logarithm of judge_scale and the deviations of the biases, judge by judge, and unless
    `BRADLEY_TERRY` the shifts of tie. `left` and `right` point into the strengths as each judge and
    then people have them; `judge_of` [cells], people's that of one more; `judge_x` [cells, biases].
    """
    number, biases = mix.shape[1], judge_x.shape[1]
    at_taste = at_style(size, ties, side) + style_x.shape[1] + tie_style_x.shape[1]
    at_weight = at_taste + 1 + number * (size - 1)
    at_scale = at_weight + number
    at_shift = at_scale + (1 + number * biases if biases else 0)
    scale, cells = math.exp(x[at_taste]), len(left)
    swayed = math.exp(x[at_scale]) if biases else 0.0
    weight = np.ones(number + 1)
    weight[:number] = x[at_weight:at_scale]
    values = level_values(x, size, at_taste + 1, weight, mix, scale)
    eta, tie, nu = np.empty(cells), np.empty(cells), np.empty(cells)
    predict(x, size, ties, side, values, left, right, style_x, tie_style_x, eta, tie, nu)
    for c in range(cells):
        if judge_of[c] < number:
            for k in range(biases):
                eta[c] += swayed * judge_x[c, k] * x[at_scale + 1 + judge_of[c] * biases + k]
            if ties != BRADLEY_TERRY:
                tie[c] += x[at_shift + judge_of[c]]
    set_exp(tie, nu)
    by_eta, by_tie = np.empty(cells), np.zeros(cells)
    logp = likelihood(ties, votes, eta, tie, nu, by_eta, by_tie)

    gradient, by_values, by_strengths = np.zeros(len(x)), np.zeros(len(values)), np.zeros(size)
    for c in range(cells):
        if judge_of[c] < number:
            for k in range(biases):
                gradient[at_scale + 1 + judge_of[c] * biases + k] += (
                    swayed * judge_x[c, k] * by_eta[c]
                )
            if ties != BRADLEY_TERRY:
                gradient[at_shift + judge_of[c]] += by_tie[c]
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
    strengths = from_basis(x, size)
    for judge in range(number):
        for i in range(size):
            gradient[at_weight + judge] += by_values[judge * size + i] * strengths[i]
        above = (x[at_weight + judge] - 1) / priors[6]
        gradient[at_weight + judge] -= above / priors[6]
        logp -= above * above / 2
    by_scale, tastes = add_levels(
        x, size, at_taste + 1, weight, mix, scale, by_values, by_strengths, gradient
    )
    spread, by_spread = half_normal(x[at_taste], priors[5])
    gradient[at_taste] = by_scale + by_spread
    logp += tastes + spread
    if biases:
        spread, by_spread = half_normal(x[at_scale], priors[7])
        for i in range(at_scale + 1, at_shift):
            by_spread += x[i] * gradient[i]
        gradient[at_scale] = by_spread
        logp += spread + add_normals(x, at_scale + 1, at_shift, 1.0, gradient)
    logp += add_normals(x, at_shift, len(x), priors[8], gradient)
    return logp + add_zero_sum(x, strengths, by_strengths, priors[0], priors[1], gradient), gradient
