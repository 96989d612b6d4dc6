"""Log density, with its gradient, of votes by voters of three kinds.

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
    add_predicted,
    add_zero_sum,
    from_basis,
    predict,
)

FloatArray = NDArray[np.float64]

_compiled = njit(nogil=True, error_model="numpy")


@_compiled
def log_shares(x: FloatArray) -> FloatArray:
    """[3], of the kinds: the softmax of three numbers that sum to zero, the last two of `x` and
    what these lack."""
    end = len(x)
    logits = np.array([x[end - 2], x[end - 1], -x[end - 2] - x[end - 1]])
    shifted = logits - logits.max()
    return shifted - math.log(np.exp(shifted).sum())


@_compiled
def mixture(
    x: FloatArray,
    size: int,
    ties: int,
    side: bool,
    left: IndexArray,
    right: IndexArray,
    votes: FloatArray,
    style_x: FloatArray,
    tie_style_x: FloatArray,
    first: IndexArray,
    careless: FloatArray,
    by_eta: FloatArray,
    by_tie: FloatArray,
    chances: FloatArray,
) -> float:
    """Log-likelihood of all voters' votes, and in `chances` [voters, 3] of which kind each is.

    Cells stand voter by voter, those of voter v from `first`[v] to `first`[v + 1]; `careless`
    [voters], the log probability of a voter's votes if careless.
    """
    cells, log_share = len(left), log_shares(x)
    strengths = from_basis(x, size)
    eta, tie, nu = np.empty(cells), np.empty(cells), np.empty(cells)
    predict(x, size, ties, side, strengths, left, right, style_x, tie_style_x, eta, tie, nu)
    contrary_eta, contrary_tie = np.empty(cells), np.zeros(cells)
    turned = votes[::-1].copy()
    joint, logp = np.empty(3), 0.0
    for voter in range(len(careless)):
        a, b = first[voter], first[voter + 1]
        joint[0] = log_share[0] + likelihood(
            ties, votes[:, a:b], eta[a:b], tie[a:b], nu[a:b], by_eta[a:b], by_tie[a:b]
        )
        joint[1] = log_share[1] + careless[voter]
        joint[2] = log_share[2] + likelihood(
            ties, turned[:, a:b], eta[a:b], tie[a:b], nu[a:b], contrary_eta[a:b], contrary_tie[a:b]
        )
        highest = joint.max()
        whole = highest + math.log(np.exp(joint - highest).sum())
        logp += whole
        for kind in range(3):
            chances[voter, kind] = math.exp(joint[kind] - whole)
        attentive, contrary = chances[voter, 0], chances[voter, 2]
        for c in range(a, b):
            by_eta[c] = attentive * by_eta[c] + contrary * contrary_eta[c]
            by_tie[c] = attentive * by_tie[c] + contrary * contrary_tie[c]
    return logp


@_compiled
def voters(
    x: FloatArray,
    size: int,
    ties: int,
    side: bool,
    left: IndexArray,
    right: IndexArray,
    votes: FloatArray,
    style_x: FloatArray,
    tie_style_x: FloatArray,
    first: IndexArray,
    careless: FloatArray,
    priors: FloatArray,
) -> tuple[float, FloatArray]:
    """Log density of the structure "voters". `x` goes on as `log_shares` says; see `mixture`."""
    by_eta, by_tie = np.empty(len(left)), np.zeros(len(left))
    chances = np.empty((len(careless), 3))
    logp = mixture(
        x,
        size,
        ties,
        side,
        left,
        right,
        votes,
        style_x,
        tie_style_x,
        first,
        careless,
        by_eta,
        by_tie,
        chances,
    )
    # A Dirichlet density with the Jacobian of the softmax is the shares to the powers of its own.
    alpha, log_share = np.array([priors[5], 1.0, 1.0]), log_shares(x)
    by_share = alpha + chances.sum(axis=0)
    logp += (alpha * log_share).sum()
    by_logits = by_share - by_share.sum() * np.exp(log_share)
    gradient, by_strengths = np.zeros(len(x)), np.zeros(size)
    gradient[len(x) - 2] = by_logits[0] - by_logits[2]
    gradient[len(x) - 1] = by_logits[1] - by_logits[2]
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
        by_strengths,
        gradient,
    )
    strengths = from_basis(x, size)
    return logp + add_zero_sum(x, strengths, by_strengths, priors[0], priors[1], gradient), gradient
