"""Leagues from a known truth: parameters drawn from the priors of a model, votes from the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.spec import ModelSpec

FloatArray = NDArray[np.float64]

WEEKS = ("2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23")
CATEGORIES = ("code", "maths", "prose")
VOTERS = 30


@dataclass(frozen=True)
class League:
    """Votes, and what they were drawn from."""

    board: Board
    truth: dict[str, FloatArray]
    """By the names of `rostra.arena.ratings.posterior.DIMS`."""


def draw_league(rng: np.random.Generator, spec: ModelSpec, contestants: int, votes: int) -> League:
    """Votes on pairs, sides, levels and covariates drawn uniformly, one by one."""
    truth = draw_truth(rng, spec, contestants)
    left = rng.integers(contestants, size=votes)
    right = rng.integers(contestants - 1, size=votes)
    right += right >= left
    styles = dict.fromkeys((*spec.style, *spec.tie_style))
    covariates = {name: rng.choice([-1.2, 0.0, 1.2], size=votes) for name in styles}
    levels = _levels(spec)
    codes = rng.integers(max(len(levels), 1), size=votes)

    strength = truth["strength"]
    if "level_strength" in truth:
        eta = truth["level_strength"][codes, left] - truth["level_strength"][codes, right]
    else:
        eta = strength[left] - strength[right]
    eta = eta + truth.get("side", np.zeros(()))
    tie = np.full(votes, truth.get("tie", np.zeros(())))
    for name, weight in zip(spec.style, truth.get("style", ()), strict=True):
        eta = eta + weight * covariates[name]
    for name, weight in zip(spec.tie_style, truth.get("tie_style", ()), strict=True):
        tie = tie + weight * np.abs(covariates[name])

    outcome = _drawn(rng, outcome_probabilities(spec.ties, eta, tie))
    if spec.structure == "voters":
        outcome = _by_kind(rng, outcome, truth["voter_is"][codes])
    if spec.both_bad == "own":
        logit = truth["bad_mean"] + truth["bad"][left] + truth["bad"][right]
        outcome[rng.random(votes) < 1 / (1 + np.exp(-logit))] = 3
    table = np.zeros((votes, 4), dtype=np.int64)
    table[np.arange(votes), outcome] = 1
    factors = {} if spec.factor is None else {spec.factor: Factor(levels, codes)}
    names = tuple(f"c{number:03d}" for number in range(contestants))
    return League(Board.of(names, left, right, table, factors, covariates), truth)


def draw_truth(
    rng: np.random.Generator, spec: ModelSpec, contestants: int
) -> dict[str, FloatArray]:
    """Parameters from the priors, by name; `voter_is` is the kind of each voter."""
    priors = spec.priors
    scale = rng.lognormal(np.log(priors.scale_median), priors.scale_sigma)
    truth = {"scale": np.array(scale), "strength": scale * _zero_sum(rng, contestants)}
    if spec.side:
        truth["side"] = np.array(rng.normal(0, priors.side_sd))
    if spec.ties != "bradley-terry":
        truth["tie"] = np.array(rng.normal(0, priors.tie_sd))
    for name in ("style", "tie_style"):
        if covariates := getattr(spec, name):
            truth[name] = rng.normal(0, priors.style_sd, size=len(covariates))
    if spec.both_bad == "own":
        spread = rng.lognormal(np.log(priors.bad_scale_median), priors.scale_sigma)
        truth |= {"bad_scale": np.array(spread), "bad": spread * _zero_sum(rng, contestants)}
        truth["bad_mean"] = np.array(rng.normal(0, priors.tie_sd))
    levels = len(_levels(spec))
    if spec.structure == "categories":
        spread = abs(rng.normal(0, priors.level_scale_sd))
        deviation = _zero_sum(rng, levels, contestants)
        deviation -= deviation.mean(axis=0)
        truth |= {"level_scale": np.array(spread)}
        truth["level_strength"] = truth["strength"] + spread * deviation
    if spec.structure == "drift":
        spread = abs(rng.normal(0, priors.drift_sd))
        steps = spread * _zero_sum(rng, levels - 1, contestants)
        to_come = np.vstack([np.cumsum(steps[::-1], axis=0)[::-1], np.zeros(contestants)])
        truth |= {"level_scale": np.array(spread)}
        truth["level_strength"] = truth["strength"] - to_come
    if spec.structure == "voters":
        truth["kind_share"] = rng.dirichlet([priors.attentive, 1, 1])
        truth["voter_is"] = rng.choice(3, size=levels, p=truth["kind_share"])
    return truth


def _levels(spec: ModelSpec) -> tuple[str, ...]:
    return {
        "overall": (),
        "categories": CATEGORIES,
        "drift": WEEKS,
        "voters": tuple(f"v{number:02d}" for number in range(VOTERS)),
    }[spec.structure]


def _zero_sum(rng: np.random.Generator, *shape: int) -> FloatArray:
    """Standard normal in the subspace where the last axis sums to zero."""
    free = rng.normal(size=shape)
    return free - free.mean(axis=-1, keepdims=True)


def _drawn(rng: np.random.Generator, chances: FloatArray) -> NDArray[np.int64]:
    """[votes], 0 for the left, 1 for a tie, 2 for the right; of `chances` [votes, 3]."""
    return (rng.random(len(chances))[:, None] > chances.cumsum(axis=1)[:, :2]).sum(axis=1)


def _by_kind(
    rng: np.random.Generator, outcome: NDArray[np.int64], kind: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Careless voters (1) vote by the shares of all other votes, contrary ones (2) the reverse."""
    shares = np.bincount(outcome, minlength=3) / len(outcome)
    outcome = np.where(kind == 2, 2 - outcome, outcome)
    careless = _drawn(rng, np.broadcast_to(shares, (len(outcome), 3)))
    return np.where(kind == 1, careless, outcome)
