"""What sways each judge, as draws: the numbers behind its parameters, its figure and its probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rostra.arena.ratings.models.values import judge_names
from rostra.arena.ratings.summary.intervals import FloatArray

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

OWN = "own"
"""The covariate that is 1 where the left answer is of the judge's family, -1 where the right is."""


@dataclass(frozen=True, eq=False)
class JudgeEffect:
    """One coefficient of one judge."""

    judge: str
    bias: str
    """Of `ModelSpec.judge_biases`."""
    draws: FloatArray
    """[draws], natural log odds. Of a trait of style what goes beyond people's, who may prefer it;
    of all else what there is, since none of it should be."""


def judge_effects(posterior: Posterior) -> tuple[JudgeEffect, ...]:
    """By judge, then in the order of the model; none in a model without judges."""
    spec = posterior.spec
    if not spec.judge_biases or "judge_bias" not in posterior.draws:
        return ()
    bias = _flat(posterior.draws["judge_bias"])
    people = np.zeros((len(bias), len(spec.judge_biases)))
    if spec.style:
        start = int(spec.side)
        people[:, start : start + len(spec.style)] = _flat(posterior.draws["style"])
    return tuple(
        JudgeEffect(judge, name, bias[:, j, k] - people[:, k])
        for j, judge in enumerate(judges(posterior))
        for k, name in enumerate(spec.judge_biases)
    )


def judge_weights(posterior: Posterior) -> dict[str, FloatArray]:
    """By judge, [draws], what a difference that people see is worth to it, 1 being as to them."""
    if "judge_weight" not in posterior.draws:
        return {}
    weights = _flat(posterior.draws["judge_weight"])
    return {judge: weights[:, j] for j, judge in enumerate(judges(posterior))}


def judges(posterior: Posterior) -> tuple[str, ...]:
    """In the order of the dimension `judge`."""
    if posterior.spec.structure != "judges":
        return ()
    return judge_names(posterior.board.factors[str(posterior.spec.factor)].levels)


def _flat(draws: FloatArray) -> FloatArray:
    return draws.reshape(-1, *draws.shape[2:])
