"""The specified models in their latent Gaussian form; the PyMC models are the source of truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines.latent import (
    Block,
    HalfNormal,
    LatentModel,
    LogNormal,
    ScalePrior,
    incidence,
    zero_sum_basis,
)
from rostra.arena.ratings.spec import ModelSpec

AT_LEVEL = "at_level"
"""Block of the strengths at each level minus the overall ones, [levels * contestants]."""
Array = NDArray[np.int64] | NDArray[np.float64]
FloatArray = NDArray[np.float64]


def latent_models(board: Board, spec: ModelSpec) -> list[LatentModel]:
    """The model of the order, and beside it that of "both bad" where it is an outcome of its own:
    they share no parameter, so their posteriors are independent."""
    data, size = models.data(board, spec), len(board.contestants)
    if spec.structure == "judges":
        from rostra.arena.ratings.engines import judged

        found: list[LatentModel] = [judged.order(size, spec, data)]
    else:
        found = [order(size, spec, data)]
    if spec.both_bad == "own":
        found.append(both_bad(size, spec, data))
    return found


def order(size: int, spec: ModelSpec, data: Mapping[str, Array]) -> LatentModel:
    """The model of the order for `size` contestants; `data` as `models.data` gives it."""
    priors, cells = spec.priors, len(data["votes"])
    difference = incidence(cells, size, [(data["left"], 1.0), (data["right"], -1.0)])
    every = np.ones((cells, 1))
    scales: dict[str, ScalePrior] = {"scale": LogNormal(priors.scale_median, priors.scale_sigma)}
    blocks = [_eta_block("strength", zero_sum_basis(size), difference, "scale")]
    if spec.structure != "overall":
        basis, prior = _levels(spec, data)
        offset = size * data["level_of"]
        left, right = offset + data["left"], offset + data["right"]
        levels = len(basis)
        difference = incidence(cells, levels * size, [(left, 1.0), (right, -1.0)])
        both = np.kron(basis, zero_sum_basis(size))
        blocks.append(_eta_block(AT_LEVEL, both, difference, "level_scale"))
        scales["level_scale"] = prior
    if spec.side:
        blocks.append(_eta_block("side", np.eye(1), every, priors.side_sd))
    if spec.style:
        blocks.append(
            _eta_block("style", np.eye(len(spec.style)), data["style_x"], priors.style_sd)
        )
    if spec.ties != "bradley-terry":
        blocks.append(_tie_block("tie", every, priors.tie_sd))
    if spec.tie_style:
        blocks.append(_tie_block("tie_style", data["tie_style_x"], priors.style_sd))
    return LatentModel(spec.ties, data["votes"].astype(float), tuple(blocks), scales)


def _levels(spec: ModelSpec, data: Mapping[str, Array]) -> tuple[FloatArray, ScalePrior]:
    """[levels, coordinates] of the strengths at each level against the overall ones, the same for
    every contestant, and the prior of their scale."""
    if spec.structure == "categories":
        levels = int(data["level_of"].max()) + 1
        return zero_sum_basis(levels), HalfNormal(spec.priors.level_scale_sd)
    # Back from the last period, whose strengths are the overall ones: minus all later steps.
    steps = np.sqrt(data["elapsed"])
    back = -np.triu(np.ones((len(steps) + 1, len(steps)))) * steps
    return back, HalfNormal(spec.priors.drift_sd)


def both_bad(size: int, spec: ModelSpec, data: Mapping[str, Array]) -> LatentModel:
    """Logistic, which is the likelihood of a pair without ties: a win is a vote "both bad"."""
    priors, cells = spec.priors, len(data["all_votes"])
    bad = data["bad_votes"].astype(float)
    votes = np.stack([bad, np.zeros(cells), data["all_votes"] - bad], axis=1)
    total = incidence(cells, size, [(data["bad_left"], 1.0), (data["bad_right"], 1.0)])
    blocks = (
        _eta_block("bad", zero_sum_basis(size), total, "bad_scale"),
        _eta_block("bad_mean", np.eye(1), np.ones((cells, 1)), priors.tie_sd),
    )
    scales: dict[str, ScalePrior] = {
        "bad_scale": LogNormal(priors.bad_scale_median, priors.scale_sigma)
    }
    return LatentModel("bradley-terry", votes, blocks, scales)


def _eta_block(
    name: str,
    basis: NDArray[np.floating[Any]],
    design: Array | sparse.csr_array,
    scale: float | str,
) -> Block:
    """`basis` [values, coordinates]; `design` [cells, values] of eta."""
    none = sparse.csr_array(design.shape)
    return Block(name, sparse.csr_array(basis), sparse.csr_array(design), none, scale)


def _tie_block(name: str, design: Array, sd: float) -> Block:
    """`design` [cells, values] of the tie parameter."""
    none = sparse.csr_array(design.shape)
    basis = sparse.csr_array(np.eye(design.shape[1]))
    return Block(name, basis, none, sparse.csr_array(design), sd)
