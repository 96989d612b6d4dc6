"""The pieces that models of the votes are put together from.

Contestant i has a strength theta_i, in natural log odds. When i stands on the left of j,

    eta = theta_i - theta_j + side + style . x
    propensity to tie = tie + tie_style . |x|

and `rostra.arena.ratings.outcomes` gives the probabilities of the three outcomes that bear on the
order. With Davidson's ties that is his model with a multiplicative order effect (Davidson and
Beaver 1977, Biometrics 33): exp(theta_i - theta_j) is the odds that i rather than j is preferred
given that one is, where neither stands on a better side and the styles are equal.

Priors, weakly informative; the figures are `rostra.arena.ratings.spec.Priors`:

    theta      ~ zero-sum normal with scale `scale`; strengths are relative, so their mean is fixed
    scale      ~ LogNormal(log 0.6, 0.5): 95 % between 0.23 and 1.6, that is fields whose ratings
                 spread with a standard deviation of 39 to 278 Elo points. Hardly any mass near
                 zero: with few votes the centred form, good for all larger boards, diverges there
    side       ~ Normal(0, 0.5): 95 % of sides win between 27 % and 73 % against an equal
    tie        ~ Normal(0, 1.5): 95 % of equals tie between 2.6 % and 90 % of the time (Davidson)
    style,     ~ Normal(0, 0.5) each, for one standard deviation of a covariate: 95 % of effects
    tie_style    change the odds by less than a factor of 2.7

"Both bad" votes are left out of this likelihood; see `both_bad`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models.likelihoods import observe
from rostra.arena.ratings.models.values import Array
from rostra.arena.ratings.spec import ModelSpec


def coords(board: Board, spec: ModelSpec) -> dict[str, list[str]]:
    """Coordinates of `contestant`, `covariate` and `tie_covariate`, where there are any.

    PyMC wants other names for dimensions than for variables.
    """
    names = {
        "contestant": board.contestants,
        "covariate": spec.style,
        "tie_covariate": spec.tie_style,
    }
    return {dim: list(values) for dim, values in names.items() if values}


def containers(values: Mapping[str, Array]) -> dict[str, TensorVariable]:
    """`pm.Data` of each, so that a compiled model takes the values of another board."""
    return {name: pm.Data(name, value) for name, value in values.items()}


def strengths(spec: ModelSpec) -> TensorVariable:
    """`strength` [contestants] and its `scale`."""
    priors = spec.priors
    scale = pm.LogNormal("scale", mu=np.log(priors.scale_median), sigma=priors.scale_sigma)
    return pm.ZeroSumNormal("strength", sigma=scale, dims="contestant")


def advantage(
    spec: ModelSpec, difference: TensorVariable, data: Mapping[str, TensorVariable]
) -> TensorVariable:
    """eta [cells] from `difference` [cells], strength of the left minus that of the right."""
    eta = difference
    if spec.side:
        eta = eta + pm.Normal("side", 0.0, spec.priors.side_sd)
    if spec.style:
        style = pm.Normal("style", 0.0, spec.priors.style_sd, dims="covariate")
        eta = eta + _weighted(data["style_x"], style, len(spec.style))
    return eta


def propensity_to_tie(
    spec: ModelSpec, data: Mapping[str, TensorVariable]
) -> TensorVariable | float:
    """The tie parameter: a scalar, or [cells] where covariates move it; 0 where there is none."""
    if spec.ties == "bradley-terry":
        return 0.0
    tie = pm.Normal("tie", 0.0, spec.priors.tie_sd)
    if spec.tie_style:
        style = pm.Normal("tie_style", 0.0, spec.priors.style_sd, dims="tie_covariate")
        tie = tie + _weighted(data["tie_style_x"], style, len(spec.tie_style))
    return tie


def _weighted(x: TensorVariable, weights: TensorVariable, number: int) -> TensorVariable:
    """[cells]; term by term, as compiled products of matrices want a BLAS to link to."""
    return pt.add(*(x[:, i] * weights[i] for i in range(number)), 0.0)


def outcomes(
    spec: ModelSpec, difference: TensorVariable, data: Mapping[str, TensorVariable]
) -> TensorVariable:
    """The observed `outcomes` [cells, 3]: left wins, ties, right wins."""
    return observe(
        "outcomes",
        spec.ties,
        data["votes"],
        advantage(spec, difference, data),
        propensity_to_tie(spec, data),
    )
