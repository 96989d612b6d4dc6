"""One rating for each level of a factor (category, language, prompt), partially pooled.

    level_strength[level, i] = strength[i] + level_scale * deviation[level, i]

with eta at a level as in `blocks`, from the strengths at that level. How much levels differ is one
parameter, so a level with many votes has ratings of its own, and one with few lies near the overall
ratings, with an interval that says so.

Deviations sum to zero over contestants, since strengths are relative at each level, and over
levels, so that `strength` is what every level has in common: the mean over the levels, each
counting alike, however many votes it has. For another mix see `poststratify`.

Side, tie and style are shared by all levels. Where they differ by level, as the propensity to tie
does between prompts, that is averaged over; a covariate that is 1 at a level and 0 elsewhere gives
it a side or a propensity to tie of its own.

Priors, weakly informative:

    level_scale ~ half-normal(0.3): 95 % below 0.59, that is levels at which ratings differ from the
                  overall ones with a standard deviation of up to 102 Elo points. Its density is
                  highest at zero: without evidence the levels are alike
    deviation   ~ zero-sum normal with scale 1, the non-centred form. Measured: with 45 votes for
                  each contestant and level, and levels that hardly differ, it has 190 effective
                  draws of `level_scale` in 2,000 where the centred form has 15; on real votes on 13
                  prompts by 59 models the two are equal; with over 1,000 votes for each, it takes
                  many times as long as the centred form would
"""

from __future__ import annotations

import pymc as pm

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import blocks, values
from rostra.arena.ratings.spec import ModelSpec


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """Free: `strength`, `scale`, `level_scale`, `deviation` and those of `spec`. Derived:
    `level_strength` [levels, contestants].

    Raises RatingsError for a factor with a single level.
    """
    data = values.categories(board, spec)
    levels = list(values.reduced(board, spec).factors[str(spec.factor)].levels)
    with pm.Model(coords={**blocks.coords(board, spec), "level": levels}) as model:
        found = blocks.containers(data)
        strength = blocks.strengths(spec)
        scale = pm.HalfNormal("level_scale", sigma=spec.priors.level_scale_sd)
        dims = ("level", "contestant")
        deviation = pm.ZeroSumNormal("deviation", n_zerosum_axes=2, dims=dims)
        at_level = pm.Deterministic("level_strength", strength + scale * deviation, dims=dims)
        level = found["level_of"]
        difference = at_level[level, found["left"]] - at_level[level, found["right"]]
        blocks.outcomes(spec, difference, found)
    return model
