"""Probabilities of the outcomes that bear on the order: one three-way likelihood, three forms.

With eta, the left answer's advantage in natural log odds (strength of the left minus that of the
right, plus side, plus style), and one parameter `tie`:

davidson       P(left) : P(tie) : P(right) = exp(eta / 2) : exp(tie) : exp(-eta / 2); `tie` is
               log nu (Davidson 1970, JASA 65, eq. 2.3)
rao-kupper     P(left) = 1 / (1 + exp(delta - eta)), P(right) = 1 / (1 + exp(delta + eta)), P(tie)
               the rest, with delta = log(1 + exp(tie)), so that `tie` is log(theta - 1) of their
               threshold theta > 1 (Rao and Kupper 1967, JASA 62, eq. 2.4)
bradley-terry  P(left) = 1 / (1 + exp(-eta)), no ties (Bradley and Terry 1952, Biometrika 39)

Two equals tie with probability nu / (2 + nu) under Davidson, (theta - 1) / (theta + 1) under
Rao and Kupper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rostra.arena.ratings.spec import Ties

FloatArray = NDArray[np.float64]


def outcome_probabilities(ties: Ties, eta: ArrayLike, tie: ArrayLike) -> FloatArray:
    """[..., 3], probabilities that the left wins, of a tie, that the right wins.

    `eta` and `tie` are broadcast; both in natural log odds.
    """
    return np.exp(log_outcome_probabilities(ties, eta, tie))


def log_outcome_probabilities(ties: Ties, eta: ArrayLike, tie: ArrayLike) -> FloatArray:
    """Logarithms of `outcome_probabilities`; minus infinity for a tie under `bradley-terry`."""
    eta, tie = np.broadcast_arrays(np.asarray(eta, dtype=float), np.asarray(tie, dtype=float))
    if ties == "davidson":
        logits = np.stack([eta / 2, tie, -eta / 2], axis=-1)
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    if ties == "bradley-terry":
        left, right = -np.logaddexp(0, -eta), -np.logaddexp(0, eta)
        return np.stack([left, np.full_like(eta, -np.inf), right], axis=-1)
    delta = np.logaddexp(0, tie)
    left, right = -np.logaddexp(0, delta - eta), -np.logaddexp(0, delta + eta)
    # P(tie) = (theta^2 - 1) P(left) P(right), which keeps its digits where 1 - P - P loses them.
    between = left + right + tie + np.logaddexp(np.log(2), tie)
    return np.stack([left, between, right], axis=-1)
