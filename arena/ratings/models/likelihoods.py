"""The three likelihoods of `rostra.arena.ratings.outcomes`, as PyTensor graphs over cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from rostra.arena.ratings.spec import Ties


def log_weights(ties: Ties, eta: TensorVariable, tie: TensorVariable | float) -> TensorVariable:
    """[..., 3], what one vote for the left, for a tie, for the right adds to the log-likelihood.

    `eta` and `tie` as in `outcomes`, broadcast. They are the logarithms of the probabilities there,
    except that a tie under `bradley-terry` is half a win for each, as on boards made without a
    model of ties.
    """
    if ties == "davidson":
        half = eta / 2
        log_normaliser = pt.logaddexp(pt.logaddexp(half, -half), tie)
        columns = [half - log_normaliser, tie - log_normaliser, -half - log_normaliser]
    elif ties == "rao-kupper":
        delta = pt.softplus(tie)
        left, right = -pt.softplus(delta - eta), -pt.softplus(delta + eta)
        between = left + right + tie + pt.logaddexp(np.log(2), tie)
        columns = [left, between, right]
    else:
        left, right = -pt.softplus(-eta), -pt.softplus(eta)
        columns = [left, (left + right) / 2, right]
    return pt.stack(columns, axis=-1)


def observe(
    name: str, ties: Ties, votes: TensorVariable, eta: TensorVariable, tie: TensorVariable | float
) -> TensorVariable:
    """The observed votes [cells, 3] of a model, under `name`, given `eta` and `tie` of each cell.

    A cell's log-likelihood is the sum of its votes' log weights, without the multinomial
    coefficient, which is the same for all parameters: the sum is then the likelihood of the votes
    one by one, and can be compared across models of single votes.
    """
    return pm.CustomDist(
        name,
        votes.sum(axis=-1),
        log_weights(ties, eta, tie),
        logp=_logp,
        random=_random(ties),
        signature="(),(k)->(k)",
        dtype="int64",
        observed=votes,
    )


def _logp(votes: TensorVariable, total: TensorVariable, weights: TensorVariable) -> TensorVariable:
    # Column by column: compiled, a quarter faster than a sum over the last axis.
    return (
        votes[..., 0] * weights[..., 0]
        + votes[..., 1] * weights[..., 1]
        + votes[..., 2] * weights[..., 2]
    )


def _random(ties: Ties) -> Callable[..., NDArray[np.int64]]:
    return partial(_votes, np.array([1, 0 if ties == "bradley-terry" else 1, 1]))


def _votes(
    possible: NDArray[np.int64],
    total: NDArray[np.int64],
    weights: NDArray[np.float64],
    rng: np.random.Generator,
    size: tuple[int, ...] | None,
) -> NDArray[np.int64]:
    """[*size, 3], votes drawn as often as there are votes."""
    chances = possible * np.exp(weights)
    return rng.multinomial(total, chances / chances.sum(axis=-1, keepdims=True), size=size)
