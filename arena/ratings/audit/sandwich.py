"""Standard errors that do not take votes of one voter for independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.summary.mode import FloatArray, Mode


def cluster_ratio(found: Mode, clusters: NDArray[np.int64], number: int) -> float:
    """Cluster-robust standard errors of the strengths over those of independent votes, in the mean.

    `clusters`: [cells], below `number`. Sandwich estimates both (White 1982, Econometrica 50; Liang
    and Zeger 1986, Biometrika 73).
    """
    gradients = found.gradients(clusters, number)
    clustered = (gradients.T @ gradients).toarray() * number / (number - 1)
    plain = _standard_errors(found, _independent(found))
    return float(_standard_errors(found, clustered).mean() / plain.mean())


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


def _standard_errors(found: Mode, meat: FloatArray) -> FloatArray:
    """[contestants], of the strengths."""
    variance = np.einsum("ij,jk,ik->i", found.covariance, meat, found.covariance)
    return np.sqrt(variance[: found.problem.size])
