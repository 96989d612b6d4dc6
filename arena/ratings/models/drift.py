"""Strengths that change: a random walk over periods, for contestants served under one name.

    level_strength[t, i] = level_strength[t - 1, i] + step[t, i]
    step[t, i] ~ zero-sum normal with scale level_scale * sqrt(elapsed[t])

with eta in a period as in `blocks`, from the strengths in that period. `strength` is the last
period's, what is rated today; the walk goes back in time from there, and a walk read backwards is
the same walk. A contestant absent in a period is interpolated between those before and after, with
a wider interval. Side, tie and style are shared by all periods.

A step between periods that do not follow each other, such as weeks with a week without votes in
between, is as wide as all the steps it stands for; see `elapsed`.

Priors, weakly informative:

    level_scale ~ half-normal(0.1): 95 % of steps' scales below 0.2, that is 34 Elo points a period;
                  its density is highest at zero: without evidence nobody changes
    step        in non-centred form, as a product of `level_scale` and a standard zero-sum normal:
                  a period has few votes beside those of its neighbours
"""

from __future__ import annotations

import pymc as pm
import pytensor.tensor as pt

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import blocks, values
from rostra.arena.ratings.spec import ModelSpec


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """Free: `strength`, `scale`, `level_scale`, `step` and those of `spec`. Derived:
    `level_strength` [periods, contestants].

    Raises RatingsError for a factor with a single level.
    """
    data = values.drift(board, spec)
    levels = list(values.reduced(board, spec).factors[str(spec.factor)].levels)
    coords = {**blocks.coords(board, spec), "level": levels, "walked": levels[1:]}
    with pm.Model(coords=coords) as model:
        found = blocks.containers(data)
        strength = blocks.strengths(spec)
        scale = pm.HalfNormal("level_scale", sigma=spec.priors.drift_sd)
        step = pm.ZeroSumNormal("step", dims=("walked", "contestant"))
        walked = scale * pt.sqrt(found["elapsed"])[:, None] * step
        # What is still to come after each period: the sum of all later steps.
        to_come = pt.cumsum(walked[::-1], axis=0)[::-1]
        at_level = pm.Deterministic(
            "level_strength",
            pt.concatenate([strength - to_come, strength[None, :]], axis=0),
            dims=("level", "contestant"),
        )
        level = found["level_of"]
        difference = at_level[level, found["left"]] - at_level[level, found["right"]]
        blocks.outcomes(spec, difference, found)
    return model
