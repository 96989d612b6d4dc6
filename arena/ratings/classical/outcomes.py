"""Logarithms of the probabilities of one vote, and their derivatives, for three ways with ties.

`davidson` and `rao-kupper` are those of `rostra.arena.ratings.outcomes`, with its `eta` and `tie`.
`half` is Bradley and Terry's with a tie as half a win for each side: half the logarithm of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rostra.arena.ratings.outcomes import log_outcome_probabilities

FloatArray = NDArray[np.float64]
TieRule = Literal["davidson", "rao-kupper", "half"]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Each array [rows, 3], by outcome: the left wins, tie, the right wins."""

    logp: FloatArray
    d_eta: FloatArray
    d_tie: FloatArray
    d_eta_eta: FloatArray
    d_eta_tie: FloatArray
    d_tie_tie: FloatArray


def outcomes(ties: TieRule, eta: FloatArray, tie: float) -> Outcomes:
    """At advantages `eta` [rows]. `tie` minus infinity is a model without ties: Bradley-Terry."""
    if ties == "half" or tie == -np.inf:
        return _half(eta)
    return _davidson(eta, tie) if ties == "davidson" else _rao_kupper(eta, tie)


def _half(eta: FloatArray) -> Outcomes:
    left, right = -np.logaddexp(0, -eta), -np.logaddexp(0, eta)
    p = expit(eta)
    curvature = np.repeat((-p * (1 - p))[:, None], 3, axis=1)
    nothing = np.zeros_like(curvature)
    return Outcomes(
        logp=np.stack([left, (left + right) / 2, right], axis=1),
        d_eta=np.stack([1 - p, 0.5 - p, -p], axis=1),
        d_tie=nothing,
        d_eta_eta=curvature,
        d_eta_tie=nothing,
        d_tie_tie=nothing,
    )


def _davidson(eta: FloatArray, tie: float) -> Outcomes:
    """A multinomial logit, so second derivatives are the same whatever the outcome was."""
    logp = log_outcome_probabilities("davidson", eta, tie)
    p = np.exp(logp)
    half_score = (p[:, [0]] - p[:, [2]]) / 2
    spread = (p[:, [0]] + p[:, [2]]) / 4 - half_score**2
    return Outcomes(
        logp=logp,
        d_eta=np.array([0.5, 0.0, -0.5]) - half_score,
        d_tie=np.array([0.0, 1.0, 0.0]) - p[:, [1]],
        d_eta_eta=np.repeat(-spread, 3, axis=1),
        d_eta_tie=np.repeat(half_score * p[:, [1]], 3, axis=1),
        d_tie_tie=np.repeat(-p[:, [1]] * (1 - p[:, [1]]), 3, axis=1),
    )


def _rao_kupper(eta: FloatArray, tie: float) -> Outcomes:
    """By the chain rule through the threshold delta = log(1 + exp(tie))."""
    delta, slope = np.logaddexp(0, tie), expit(tie)
    bend = slope * (1 - slope)
    not_left, not_right = expit(delta - eta), expit(delta + eta)
    a, b = not_left * (1 - not_left), not_right * (1 - not_right)
    # log(exp(2 delta) - 1) = tie + log(2 + exp(tie)), and `inner` is the derivative of the latter.
    inner = expit(tie - np.log(2))
    d_eta = np.stack([not_left, not_left - not_right, -not_right], axis=1)
    d_delta = -np.stack([not_left, not_left + not_right, not_right], axis=1)
    d_delta_delta = -np.stack([a, a + b, b], axis=1)
    d_eta_delta = np.stack([a, a - b, -b], axis=1)
    tied = np.array([0.0, 1.0, 0.0])
    return Outcomes(
        logp=log_outcome_probabilities("rao-kupper", eta, tie),
        d_eta=d_eta,
        d_tie=slope * d_delta + tied * (1 + inner),
        d_eta_eta=d_delta_delta.copy(),
        d_eta_tie=slope * d_eta_delta,
        d_tie_tie=slope**2 * d_delta_delta + bend * d_delta + tied * inner * (1 - inner),
    )
