"""Verdicts of judges beside people's votes, each judge with biases of its own.

    judge_strength[j, i] = judge_weight[j] * strength[i] + taste[j, i]

with eta of a verdict of judge j as in `blocks`, from the strengths as that judge has them, and with
a side effect, effects of style and a propensity to tie of its own. Beyond those that people have
too, a judge's verdict may be moved by `ModelSpec.judge_style`: with the covariate that is 1 where
the left answer is of the judge's own family and -1 where the right one is, its coefficient is
self-preference. People are the reference: `strength`, `side`, `style` and `tie` are theirs, so
ratings are of what people prefer, and a verdict bears on them as far as its judge agrees.

`judge_weight` is what a difference that people see is worth to the judge: 1 as to people, above it
a judge more decided than they, 0 one whose verdicts have nothing to do with it (the annotators'
discrimination of Dawid and Skene's successors, as in Chen, Bennett, Collins-Thompson and Horvitz
2013, Pairwise ranking aggregation in a crowdsourced setting, WSDM). `taste` is what remains: where
judge and people simply disagree on a contestant. Without it many verdicts would drown the votes.

Priors, weakly informative:

    judge_weight ~ Normal(1, 0.5): 95 % between 0 and 2; a contrary judge is possible, and rare
    judge_bias   ~ Normal(people's, judge_scale) each; of a covariate that people have not, round 0
    judge_scale  ~ half-normal(0.5): one for all biases of all judges, so that where several judges
                   are alike the next is expected to be like them
    judge_tie    ~ Normal(tie, 1)
    taste        ~ zero-sum normal with scale `taste_scale` ~ half-normal(0.3), as that of levels in
                   `categories`; biases and tastes in the non-centred form
"""

from __future__ import annotations

import pymc as pm
import pytensor.tensor as pt

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import blocks, values
from rostra.arena.ratings.models.likelihoods import observe
from rostra.arena.ratings.spec import ModelSpec


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """Free: `strength`, `scale`, `judge_weight`, `taste_scale`, `taste_deviation`, `judge_scale`,
    `bias_deviation`, `tie_shift` and those of `spec`. Derived: `judge_strength`, `judge_bias`,
    `judge_tie`.

    Raises RatingsError when nobody but people, or nobody but judges voted.
    """
    data, priors = values.judges(board, spec), spec.priors
    levels = values.reduced(board, spec).factors[str(spec.factor)].levels
    names = values.judge_names(levels)
    coords = {**blocks.coords(board, spec), "judge": list(names), "bias": list(spec.judge_biases)}
    with pm.Model(coords=coords) as model:
        found = blocks.containers(data)
        judge = found["judge_of"]
        people = blocks.strengths(spec)
        weight = pm.Normal("judge_weight", 1.0, priors.judge_weight_sd, dims="judge")
        dims = ("judge", "contestant")
        taste = pm.ZeroSumNormal("taste_deviation", dims=dims)
        taste = pm.HalfNormal("taste_scale", sigma=priors.taste_sd) * taste
        theirs = pm.Deterministic(
            "judge_strength", weight[:, None] * people[None, :] + taste, dims=dims
        )
        strengths = pt.concatenate([theirs, people[None, :]], axis=0)
        eta = strengths[judge, found["left"]] - strengths[judge, found["right"]]
        if spec.judge_biases:
            scale = pm.HalfNormal("judge_scale", sigma=priors.judge_scale_sd)
            bias = scale * pm.Normal("bias_deviation", dims=("judge", "bias"))
            each = pt.concatenate([bias, pt.zeros((1, len(spec.judge_biases)))], axis=0)
            x = found["judge_x"]
            eta = eta + pt.add(
                *(x[:, k] * each[judge, k] for k in range(len(spec.judge_biases))), 0.0
            )
        eta, tie = blocks.advantage(spec, eta, found), blocks.propensity_to_tie(spec, found)
        if spec.ties != "bradley-terry":
            shift = pm.Normal("tie_shift", 0.0, priors.judge_tie_sd, dims="judge")
            tie = tie + pt.concatenate([shift, pt.zeros(1)])[judge]
            pm.Deterministic("judge_tie", model["tie"] + shift, dims="judge")
        if spec.judge_biases:
            shared = [model["side"][None]] if spec.side else []
            shared += [model["style"]] if spec.style else []
            shared += [pt.zeros(len(spec.judge_style))] if spec.judge_style else []
            pm.Deterministic(
                "judge_bias", pt.concatenate(shared)[None, :] + bias, dims=("judge", "bias")
            )
        observe("outcomes", spec.ties, found["votes"], eta, tie)
    return model
