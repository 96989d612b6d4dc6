"""The model of judges in its latent form: Gaussian but for the judges' weights.

    eta of a verdict of j = judge_weight[j] * (strength[left] - strength[right]) + linear terms

The product of two latent values is no linear term, so the posterior given the scales is not that of
a generalised linear model; its mode and its curvature are found all the same, from the exact
derivatives, and the importance sampling that follows corrects what the Gaussian lacks, or refuses.
The PyMC model in `rostra.arena.ratings.models.judges` is the source of truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import ThreadpoolController

from rostra.arena.ratings.engines import latent_models
from rostra.arena.ratings.engines.laplace_likelihoods import derivatives, log_likelihood
from rostra.arena.ratings.engines.latent import (
    Block,
    HalfNormal,
    LatentModel,
    ScalePrior,
    incidence,
    zero_sum_basis,
)
from rostra.arena.ratings.engines.newton import NotApproximated
from rostra.arena.ratings.spec import ModelSpec

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
WEIGHT, TASTE, STRENGTH = "judge_weight", "taste", "strength"
"""Blocks: what a judge's weight is above 1, its tastes, and people's strengths."""
MOST_ENTRIES = 10_000_000
"""Of the matrix of all cells by all coordinates, which is held in full: 80 MB."""


@dataclass(frozen=True)
class JudgedModel(LatentModel):
    """A latent model with one product in it, added to what its blocks say of eta."""

    judge_of: IntArray
    """[cells], index of the judge; that of one more judge for people's votes."""
    difference: sparse.csr_array
    """[cells, contestants], 1 for who stood on the left, -1 for who stood on the right."""

    def log_likelihood(self, coordinates: FloatArray) -> FloatArray:
        values = self._by_eta @ coordinates.T
        more = self._more(coordinates[:, self.slices[WEIGHT]].T)
        eta = values + more * (self._ahead @ coordinates[:, self.slices[STRENGTH]].T)
        return log_likelihood(self.ties, self.votes, eta, self._by_tie @ coordinates.T)

    def derivatives(self, coordinates: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        strength, weight = self.slices[STRENGTH], self.slices[WEIGHT]
        more = self._more(coordinates[weight][:, None])
        ahead = self._ahead @ coordinates[strength]
        eta = self._by_eta @ coordinates + more[:, 0] * ahead
        cells = derivatives(self.ties, self.votes, eta, self._by_tie @ coordinates)
        by_eta = self._by_eta.copy()
        by_eta[:, strength] += more * self._ahead
        by_eta[:, weight] += ahead[:, None] * self._is_of
        by_tie = self._by_tie
        gradient = cells.eta @ by_eta + cells.tie @ by_tie
        crossed = by_eta.T @ (cells.eta_tie[:, None] * by_tie)
        information = by_eta.T @ (cells.eta_eta[:, None] * by_eta) + crossed + crossed.T
        information += by_tie.T @ (cells.tie_tie[:, None] * by_tie)
        # What the product itself bends: its mixed second derivative is the difference of strengths.
        bent = self._ahead.T @ (cells.eta[:, None] * self._is_of)
        information[strength, weight] -= bent
        information[weight, strength] -= bent.T
        return cells.value, gradient, information

    def _more(self, above: FloatArray) -> FloatArray:
        """[cells, draws], the weight less 1, zero for people, of `above` [judges, draws]."""
        return np.vstack([above, np.zeros((1, above.shape[1]))])[self.judge_of]

    @cached_property
    def _by_eta(self) -> FloatArray:
        """[cells, size], without the product."""
        return (self._eta @ self.basis).toarray()

    @cached_property
    def _by_tie(self) -> FloatArray:
        """[cells, size]"""
        return (self._tie @ self.basis).toarray()

    @cached_property
    def _ahead(self) -> FloatArray:
        """[cells, coordinates of the strengths], of the difference of strengths."""
        (block,) = (block for block in self.blocks if block.name == STRENGTH)
        return (self.difference @ block.basis).toarray()

    @cached_property
    def _is_of(self) -> FloatArray:
        """[cells, judges], 1 for the judge of the cell."""
        width = self.slices[WEIGHT].stop - self.slices[WEIGHT].start
        return np.eye(width + 1)[self.judge_of, :width]


def one_thread(model: LatentModel) -> AbstractContextManager[object]:
    """For the thousands of small dense products of a `JudgedModel`: on a busy machine threads that
    wait for each other take ten times as long."""
    if not isinstance(model, JudgedModel):
        return nullcontext()
    return ThreadpoolController().limit(limits=1, user_api="blas")


def order(size: int, spec: ModelSpec, data: Mapping[str, NDArray[Any]]) -> JudgedModel:
    """The model of the order for `size` contestants; `data` as `models.data` gives it."""
    plain = replace(spec, structure="overall", factor=None, judge_style=())
    base = latent_models.order(size, plain, data)
    judge, x, priors = data["judge_of"], data["judge_x"], spec.priors
    judges, cells = int(judge.max()), len(judge)
    given = np.flatnonzero(judge < judges)
    of = judge[given]

    def design(columns: list[tuple[NDArray[Any], NDArray[Any]]], width: int) -> sparse.csr_array:
        """[cells, width], in the rows of verdicts the values at these columns."""
        rows = np.tile(given, len(columns))
        places = np.concatenate([place for place, _ in columns])
        entries = np.concatenate([value for _, value in columns])
        return sparse.csr_array((entries, (rows, places)), shape=(cells, width))

    def block(
        name: str,
        basis: NDArray[np.floating[Any]],
        eta: sparse.csr_array,
        scale: float | str,
        *,
        tie: bool = False,
    ) -> Block:
        width = (cells, basis.shape[0])
        none = sparse.csr_array(width)
        parts = (none, eta) if tie else (eta, none)
        return Block(name, sparse.csr_array(basis), *parts, scale)

    one = np.ones(len(given))
    liked = design(
        [(size * of + data["left"][given], one), (size * of + data["right"][given], -one)],
        judges * size,
    )
    scales: dict[str, ScalePrior] = {**base.scales, "taste_scale": HalfNormal(priors.taste_sd)}
    blocks = [
        *base.blocks,
        block(WEIGHT, np.eye(judges), sparse.csr_array((cells, judges)), priors.judge_weight_sd),
        block(TASTE, np.kron(np.eye(judges), zero_sum_basis(size)), liked, "taste_scale"),
    ]
    if number := len(spec.judge_biases):
        swayed = design([(number * of + k, x[given, k]) for k in range(number)], judges * number)
        blocks.append(block("judge_bias", np.eye(judges * number), swayed, "judge_scale"))
        scales["judge_scale"] = HalfNormal(priors.judge_scale_sd)
    if spec.ties != "bradley-terry":
        own = design([(of, one)], judges)
        blocks.append(block("judge_tie", np.eye(judges), own, priors.judge_tie_sd, tie=True))
    if (entries := cells * sum(block.size for block in blocks)) > MOST_ENTRIES:
        raise NotApproximated(
            f"{cells:,} kinds of battles are too many beside {judges} judges of {size} contestants "
            f"({entries:,} numbers, at most {MOST_ENTRIES:,})"
        )
    return JudgedModel(
        spec.ties,
        base.votes,
        tuple(blocks),
        scales,
        judge_of=judge,
        difference=incidence(cells, size, [(data["left"], 1.0), (data["right"], -1.0)]),
    )


def absolute(values: Mapping[str, FloatArray], spec: ModelSpec) -> dict[str, FloatArray]:
    """Draws of the blocks, which are deviations from people's, as a posterior holds them."""
    found = dict(values)
    strength = found[STRENGTH]
    draws, size = strength.shape
    weight = found[WEIGHT] = 1 + found[WEIGHT]
    taste = found.pop(TASTE).reshape(draws, -1, size)
    found["judge_strength"] = weight[:, :, None] * strength[:, None] + taste
    if spec.judge_biases:
        peoples = np.zeros((draws, len(spec.judge_biases)))
        if spec.side:
            peoples[:, 0] = found["side"]
        if spec.style:
            peoples[:, int(spec.side) :][:, : len(spec.style)] = found["style"]
        bias = found["judge_bias"].reshape(draws, -1, len(spec.judge_biases))
        found["judge_bias"] = peoples[:, None] + bias
    if "judge_tie" in found:
        found["judge_tie"] = found["tie"][:, None] + found["judge_tie"]
    return found
