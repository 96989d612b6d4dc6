"""The three likelihoods over cells: values for many draws, derivatives for one.

Forms and parameters are those of `rostra.arena.ratings.outcomes`. Both functions take

votes  [cells, 3], left wins, ties, right wins; need not be whole numbers
eta    [cells, draws] or [cells]
tie    [cells or 1, draws] or [cells]; ignored under `bradley-terry`, which counts a tie as half a
       win for each
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rostra.arena.ratings.spec import Ties

FloatArray = NDArray[np.float64]


class Derivatives(NamedTuple):
    """Of the log likelihood of each cell, [cells] each, and its sum."""

    value: float
    eta: FloatArray
    tie: FloatArray
    eta_eta: FloatArray
    """Second derivatives with the sign turned: the observed information."""
    eta_tie: FloatArray
    tie_tie: FloatArray


def log_likelihood(ties: Ties, votes: FloatArray, eta: FloatArray, tie: FloatArray) -> FloatArray:
    """[draws], without multinomial coefficients."""
    left, even, right = votes.T
    if ties == "bradley-terry":
        # log P(right) = -log(1 + exp(eta)), and log P(left) is that plus eta.
        return (left + even / 2) @ eta - votes.sum(axis=1) @ _softplus(eta)
    if ties == "davidson":
        half = np.abs(eta) * 0.5
        # log(exp(h) + exp(-h) + nu) with no exponent above zero.
        fade = np.exp(-half)
        half += np.log(1 + fade * (fade + np.exp(tie)))
        value = (left - right) @ eta / 2 - votes.sum(axis=1) @ half
        return value + _weighted(even, tie)
    delta = np.logaddexp(0, tie)
    value = -(left + even) @ _softplus(delta - eta) - (right + even) @ _softplus(delta + eta)
    return value + _weighted(even, tie + np.logaddexp(np.log(2), tie))


def _softplus(x: FloatArray) -> FloatArray:
    """log(1 + exp(x)) in half the time of `logaddexp`, and as exact in sums of many."""
    return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))


def _weighted(votes: FloatArray, values: FloatArray) -> FloatArray:
    """[draws], the sum of `values`, [cells or 1, draws], over the votes."""
    return votes @ values if len(values) == len(votes) else votes.sum() * values[0]


def derivatives(ties: Ties, votes: FloatArray, eta: FloatArray, tie: FloatArray) -> Derivatives:
    """At one point."""
    value = float(log_likelihood(ties, votes, eta[:, None], tie[:, None])[0])
    left, even, right = votes.T
    total = votes.sum(axis=1)
    zero = np.zeros_like(eta)
    if ties == "bradley-terry":
        p = expit(eta)
        slope = left + even / 2 - total * p
        return Derivatives(value, slope, zero, total * p * (1 - p), zero, zero)
    if ties == "davidson":
        half = np.abs(eta) / 2
        fade, nu = np.exp(-half), np.exp(tie)
        # Relative to the likelier of the two wins.
        whole = 1 + fade * (fade + nu)
        likely, rare, p_even = 1 / whole, fade * fade / whole, fade * nu / whole
        gap = np.sign(eta) * (likely - rare)
        return Derivatives(
            value,
            (left - right - total * gap) / 2,
            even - total * p_even,
            total * (likely + rare - gap * gap) / 4,
            -total * gap * p_even / 2,
            total * p_even * (1 - p_even),
        )
    delta, rate = np.logaddexp(0, tie), expit(tie)
    not_left, not_right = expit(delta - eta), expit(delta + eta)
    for_left, for_right = left + even, right + even
    lost_left, lost_right = for_left * not_left, for_right * not_right
    bend_left, bend_right = lost_left * (1 - not_left), lost_right * (1 - not_right)
    more = expit(tie - np.log(2))
    return Derivatives(
        value,
        lost_left - lost_right,
        -(lost_left + lost_right) * rate + even * (1 + more),
        bend_left + bend_right,
        rate * (bend_right - bend_left),
        rate * rate * (bend_left + bend_right)
        + rate * (1 - rate) * (lost_left + lost_right)
        - even * more * (1 - more),
    )
