"""Standard errors that do not take votes of one voter for independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.summary.mode import FloatArray, Mode


def cluster_ratio(found: Mode, clusters: NDArray[np.int64], number: int) -> float:
    """Cluster-robust standard errors of the strengths over those of independent votes, in the mean.

    `clusters`: [cells], below `number`.
    """
    clustered, plain = standard_errors(found, clusters, number)
    size = found.problem.size
    return float(clustered[:size].mean() / plain[:size].mean())


def side_ratio(found: Mode, clusters: NDArray[np.int64], number: int) -> float:
    """The same of the side effect, which the model of `found` must have."""
    clustered, plain = standard_errors(found, clusters, number)
    side = found.problem.size
    return float(clustered[side] / plain[side])


def standard_errors(
    found: Mode, clusters: NDArray[np.int64], number: int
) -> tuple[FloatArray, FloatArray]:
    """Of the parameters, each [parameters]: cluster-robust, and with each vote for itself.

    Sandwich estimates both (White 1982, Econometrica 50; Liang and Zeger 1986, Biometrika 73).
    """
    gradients = found.gradients(clusters, number)
    clustered = (gradients.T @ gradients).toarray() * number / (number - 1)
    return _sandwich(found, clustered), _sandwich(found, _independent(found))


def _independent(found: Mode) -> FloatArray:
    """[parameters, parameters], variance of the gradient, each vote for itself."""
    votes, cells = found.problem.votes, np.arange(len(found.problem.left))
    meat = np.zeros_like(found.covariance)
    for outcome in range(votes.shape[1]):
        # Votes of one cell and outcome have one gradient, which enters squared.
        only = np.zeros_like(votes)
        only[:, outcome] = np.sqrt(votes[:, outcome])
        rows = found.gradients(cells, len(cells), only)
        meat += (rows.T @ rows).toarray()
    return meat


def _sandwich(found: Mode, meat: FloatArray) -> FloatArray:
    """[parameters], square roots of the diagonal."""
    return np.sqrt(np.einsum("ij,jk,ik->i", found.covariance, meat, found.covariance))
