"""Log-likelihoods of the votes in many cells, with their derivatives: see `kernels`."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rostra.arena.ratings.engines.elementary import exp, log

FloatArray = NDArray[np.float64]

DAVIDSON, RAO_KUPPER, BRADLEY_TERRY = range(3)

_compiled = njit(nogil=True, error_model="numpy")
# Sums in any order, and a product and a sum in one, so that loops are vectorised.
_vectorised = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_vectorised
def davidson(
    votes: FloatArray,
    eta: FloatArray,
    tie: FloatArray,
    nu: FloatArray,
    by_eta: FloatArray,
    by_tie: FloatArray,
) -> float:
    """See `likelihood`."""
    logp = 0.0
    for c in range(len(eta)):
        a, t, b = votes[0, c], votes[1, c], votes[2, c]
        up = exp(eta[c] / 2)
        down = 1 / up
        whole = up + down + nu[c]
        share = (a + t + b) / whole
        logp += (a - b) * eta[c] / 2 + t * tie[c] - (a + t + b) * log(whole)
        by_eta[c] = (a - b - share * (up - down)) / 2
        by_tie[c] = t - share * nu[c]
    return logp


@_vectorised
def rao_kupper(
    votes: FloatArray,
    eta: FloatArray,
    tie: FloatArray,
    nu: FloatArray,
    by_eta: FloatArray,
    by_tie: FloatArray,
) -> float:
    """See `likelihood`."""
    logp = 0.0
    for c in range(len(eta)):
        t = votes[1, c]
        not_right, not_left = votes[0, c] + t, votes[2, c] + t
        ahead = (1 + nu[c]) * exp(eta[c])
        behind = (1 + nu[c]) * (1 + nu[c]) / ahead
        logp += t * (tie[c] + log(2 + nu[c]))
        logp -= not_right * log(1 + behind) + not_left * log(1 + ahead)
        lost, won = not_right * behind / (1 + behind), not_left * ahead / (1 + ahead)
        by_eta[c] = lost - won
        by_tie[c] = t * (1 + nu[c] / (2 + nu[c])) - (lost + won) * nu[c] / (1 + nu[c])
    return logp


@_vectorised
def bradley_terry(votes: FloatArray, eta: FloatArray, by_eta: FloatArray) -> float:
    """See `likelihood`."""
    logp = 0.0
    for c in range(len(eta)):
        half = votes[1, c] / 2
        won, lost = votes[0, c] + half, votes[2, c] + half
        whole = 1 + exp(eta[c])
        logp += won * eta[c] - (won + lost) * log(whole)
        by_eta[c] = (won + lost) / whole - lost
    return logp


@_compiled
def likelihood(
    ties: int,
    votes: FloatArray,
    eta: FloatArray,
    tie: FloatArray,
    nu: FloatArray,
    by_eta: FloatArray,
    by_tie: FloatArray,
) -> float:
    """Log-likelihood of `votes` [3, cells]: left wins, ties, right wins.

    `eta`, `tie` and `nu`, which is exp(tie), [cells]; see `rostra.arena.ratings.outcomes`. Sets
    `by_eta` and, unless `BRADLEY_TERRY`, `by_tie` [cells] to the derivatives.
    """
    if ties == DAVIDSON:
        return davidson(votes, eta, tie, nu, by_eta, by_tie)
    if ties == RAO_KUPPER:
        return rao_kupper(votes, eta, tie, nu, by_eta, by_tie)
    return bradley_terry(votes, eta, by_eta)


@_vectorised
def logistic(
    votes: FloatArray, total: FloatArray, logit: FloatArray, by_logit: FloatArray
) -> float:
    """Log-likelihood of `votes` of `total` [pairs] at log odds `logit`; sets its derivatives."""
    logp = 0.0
    for pair in range(len(logit)):
        odds = exp(logit[pair])
        logp += votes[pair] * logit[pair] - total[pair] * log(1 + odds)
        by_logit[pair] = votes[pair] - total[pair] * odds / (1 + odds)
    return logp
