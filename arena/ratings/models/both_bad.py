"""Votes that neither answer is good, as an outcome of its own beside the order.

They say that two answers fall below what the voter expects, not which of them is better. The models
of the order are of the outcome given that it is another; this one is the first step of the hurdle,

    logit P(both bad) = bad_mean + bad_i + bad_j

It shares no parameter with the order, so strengths are what they are without it, and the two can be
sampled apart. The sign: a contestant with a *higher* `bad` is part of *more* votes that neither
answer is good, so a good one is negative. Sides and styles have no effect here.

Priors, weakly informative; the figures are `rostra.arena.ratings.spec.Priors`:

    bad        ~ zero-sum normal with scale `bad_scale` ~ LogNormal(log 0.6, 0.5), as strengths are
    bad_mean   ~ Normal(0, 1.5): 95 % of boards call 5 % to 95 % of their votes both bad
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable
from scipy.special import expit

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import values
from rostra.arena.ratings.models.blocks import containers
from rostra.arena.ratings.spec import ModelSpec


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """The votes' share of "both bad" alone: what `add` adds to a model of the order."""
    with pm.Model(coords={"contestant": list(board.contestants)}) as model:
        add(board, spec)
    return model


def add(board: Board, spec: ModelSpec) -> None:
    """Observed `both_bad` [pairs], free `bad` [contestants], `bad_scale`, `bad_mean`.

    Into the model whose context is open, which has the dimension `contestant`.
    """
    found = containers(values.both_bad(board))
    priors = spec.priors
    scale = pm.LogNormal("bad_scale", mu=np.log(priors.bad_scale_median), sigma=priors.scale_sigma)
    bad = pm.ZeroSumNormal("bad", sigma=scale, dims="contestant")
    mean = pm.Normal("bad_mean", 0.0, priors.tie_sd)
    pm.CustomDist(
        "both_bad",
        found["all_votes"],
        mean + bad[found["bad_left"]] + bad[found["bad_right"]],
        logp=_logp,
        random=_random,
        signature="(),()->()",
        dtype="int64",
        observed=found["bad_votes"],
    )


def _logp(votes: TensorVariable, total: TensorVariable, logit: TensorVariable) -> TensorVariable:
    """[pairs], the votes one by one: without the binomial coefficient."""
    return votes * logit - total * pt.softplus(logit)


def _random(
    total: NDArray[np.int64],
    logit: NDArray[np.float64],
    rng: np.random.Generator,
    size: tuple[int, ...] | None,
) -> NDArray[np.int64]:
    return rng.binomial(total, expit(logit), size=size)
