"""Densities of the structures beyond "overall": what `densities.order` is to that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.engines import callback, starts
from rostra.arena.ratings.engines.densities import (
    LIKELIHOODS,
    Data,
    Density,
    FloatArray,
    centre,
    from_basis,
    order,
    shared_layout,
    shared_priors,
)
from rostra.arena.ratings.engines.latent import zero_sum_basis
from rostra.arena.ratings.spec import ModelSpec

JITTER_OF_VOTERS = 0.1
"""Chains of voters that start far apart fall to either side; see `starts`."""


def density(size: int, levels: int, spec: ModelSpec, data: Data) -> Density:
    """Of the structure of `spec` for `size` contestants and `levels` of its factor; `data` as
    `models.data` gives it."""
    if spec.structure == "overall":
        return order(size, spec, data)
    if spec.structure == "judges":
        return _judges(size, spec, data)
    if spec.structure == "voters":
        return _voters(size, levels, spec, data)
    return _levels(size, levels, spec, data)


@dataclass(frozen=True)
class Levels(Density):
    """Strengths at levels are the overall ones and, times a scale, a mix of deviations."""

    mix: FloatArray
    """[levels, deviations]"""
    deviation: str
    """Name of the deviations, which lie along the basis one after another."""

    def variables(self, points: FloatArray) -> dict[str, FloatArray]:
        found = self.split(points)
        scale = found["level_scale"] = np.exp(found["level_scale"][..., 0])
        strength = found["strength"][..., None, :]
        free = found[self.deviation].reshape(*scale.shape, self.mix.shape[1], -1)
        found["level_strength"] = strength + from_basis(scale[..., None, None] * self.mix @ free)
        return found


def _levels(size: int, levels: int, spec: ModelSpec, data: Data) -> Density:
    deviation = "step" if spec.structure == "drift" else "deviation"
    mix, level_sd = zero_sum_basis(levels), spec.priors.level_scale_sd
    if spec.structure == "drift":
        # Back from the last period, whose strengths are the overall ones: minus all later steps.
        mix = -np.triu(np.ones((levels, levels - 1))) * np.sqrt(data["elapsed"])
        level_sd = spec.priors.drift_sd
    layout = {**shared_layout(size, spec), "level_scale": 1, deviation: (levels - 1) * (size - 1)}
    start = centre(layout, spec.priors.scale_median)
    start[-1 - layout[deviation]] = np.log(level_sd)
    level_of = data["level_of"]
    arrays = _arrays(callback.LEVELS, size, spec, data, level_of, size * level_of, [level_sd])
    beside = (mix, np.empty(0, dtype=np.uintp), np.empty((0, 0)))
    return Levels(layout, start, (*arrays, *beside), mix=mix, deviation=deviation)


@dataclass(frozen=True)
class Judges(Density):
    """Judges with a weight, tastes, biases and a propensity to tie of their own."""

    spec: ModelSpec

    def variables(self, points: FloatArray) -> dict[str, FloatArray]:
        found, spec = self.split(points), self.spec
        scale = found["taste_scale"] = np.exp(found["taste_scale"][..., 0])
        weight, strength = found["judge_weight"][..., None], found["strength"][..., None, :]
        free = found["taste_deviation"].reshape(*weight.shape[:-1], -1)
        found["judge_strength"] = weight * strength + scale[..., None, None] * from_basis(free)
        if spec.judge_biases:
            swayed = found["judge_scale"] = np.exp(found["judge_scale"][..., 0])
            peoples = [found["side"][..., None]] if spec.side else []
            peoples += [found["style"]] if spec.style else []
            peoples += [np.zeros((*scale.shape, len(spec.judge_style)))]
            own = found["bias_deviation"].reshape(*scale.shape, -1, len(spec.judge_biases))
            found["judge_bias"] = (
                np.concatenate(peoples, axis=-1)[..., None, :] + swayed[..., None, None] * own
            )
        if spec.ties != "bradley-terry":
            found["judge_tie"] = found["tie"][..., None] + found["tie_shift"]
        return found


def _judges(size: int, spec: ModelSpec, data: Data) -> Density:
    judge_of, judge_x, priors = data["judge_of"], data["judge_x"], spec.priors
    judges, biases = int(judge_of.max()), judge_x.shape[1]
    layout = shared_layout(size, spec)
    layout |= {"taste_scale": 1, "taste_deviation": judges * (size - 1), "judge_weight": judges}
    if biases:
        layout |= {"judge_scale": 1, "bias_deviation": judges * biases}
    if spec.ties != "bradley-terry":
        layout["tie_shift"] = judges
    start, at = centre(layout, priors.scale_median), _places(layout)
    start[at["taste_scale"]] = np.log(priors.taste_sd)
    start[at["judge_weight"]] = 1.0
    if biases:
        start[at["judge_scale"]] = np.log(priors.judge_scale_sd)
    figures = [
        priors.taste_sd,
        priors.judge_weight_sd,
        priors.judge_scale_sd,
        priors.judge_tie_sd,
    ]
    # People have no tastes beside the strengths, which are theirs.
    mix = np.eye(judges + 1, judges)
    arrays = _arrays(callback.JUDGES, size, spec, data, judge_of, size * judge_of, figures)
    sort = _sorted(data, judge_of)
    beside = (mix, judge_of[sort].astype(np.uintp), judge_x[sort].astype(float))
    return Judges(layout, start, (*arrays, *beside), spec=spec)


@dataclass(frozen=True)
class Voters(Density):
    """Voters of three kinds, who have these by shares."""

    def variables(self, points: FloatArray) -> dict[str, FloatArray]:
        found = self.split(points)
        logits = found["kind_share"]
        logits = np.concatenate([logits, -logits.sum(axis=-1, keepdims=True)], axis=-1)
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        found["kind_share"] = shares / shares.sum(axis=-1, keepdims=True)
        flat = np.ascontiguousarray(points).reshape(-1, self.ndim)
        kinds = callback.voter_kinds(self.block, flat)
        found["voter_kind"] = kinds.reshape(*points.shape[:-1], *kinds.shape[1:])
        return found


def _voters(size: int, voters: int, spec: ModelSpec, data: Data) -> Density:
    voter_of = data["voter_of"]
    layout = {**shared_layout(size, spec), "kind_share": 2}
    start = centre(layout, spec.priors.scale_median)
    strength = starts.log_odds(data, size)
    start[1:size] = strength @ zero_sum_basis(size)
    share = np.log([spec.priors.attentive, 1.0, 1.0])
    start[-2:] = (share - share.mean())[:2]
    none = np.zeros_like(voter_of)
    arrays = _arrays(callback.VOTERS, size, spec, data, voter_of, none, [spec.priors.attentive])
    first = np.concatenate([[0], np.cumsum(np.bincount(voter_of, minlength=voters))])
    beside = (np.empty((0, 0)), first.astype(np.uintp), np.array(data["careless"], dtype=float))
    return Voters(layout, start, (*arrays, *beside), jitter=JITTER_OF_VOTERS)


def _arrays(
    kind: int,
    size: int,
    spec: ModelSpec,
    data: Data,
    whose: NDArray[np.int64],
    offset: NDArray[np.int64],
    figures: list[float],
) -> tuple[NDArray[Any], ...]:
    """Those that every structure has, in the order of `_sorted`. `offset` [cells], where the
    strengths of a cell begin; `figures` of the priors beyond `shared_priors`."""
    sort = _sorted(data, whose)
    none = np.empty((len(sort), 0))
    return (
        np.array([kind, size, LIKELIHOODS[spec.ties], spec.side]),
        (offset + data["left"])[sort].astype(np.uintp),
        (offset + data["right"])[sort].astype(np.uintp),
        np.ascontiguousarray(data["votes"][sort].T, dtype=np.float64),
        np.ascontiguousarray(data.get("style_x", none)[sort]),
        np.ascontiguousarray(data.get("tie_style_x", none)[sort]),
        np.array([*shared_priors(spec), *figures]),
    )


def _sorted(data: Data, whose: NDArray[np.int64]) -> NDArray[np.int64]:
    """[cells], an order in which cells of one stand together, and of these those of one left."""
    return np.lexsort((data["right"], data["left"], whose))


def _places(layout: Mapping[str, int]) -> dict[str, slice]:
    """Of each variable in a point."""
    ends = np.cumsum([0, *layout.values()])
    return {name: slice(int(ends[i]), int(ends[i + 1])) for i, name in enumerate(layout)}
