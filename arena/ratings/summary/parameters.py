"""What the model says beside the strengths: sides, ties, style, "both bad", spreads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit

from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.spec import KINDS
from rostra.arena.ratings.summary.intervals import FloatArray, Interval, intervals
from rostra.arena.ratings.summary.judges import OWN, judge_effects, judge_weights

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior


@dataclass(frozen=True)
class Parameter:
    """One parameter, on its own scale and on one that people can read."""

    name: str
    """As in `DIMS`; one of several with what it belongs to, as in `style:length`."""
    mean: float
    sd: float
    eti_50: Interval
    eti_94: Interval
    effect: float
    """Posterior mean of what `sentence` tells."""
    effect_94: Interval
    sentence: str


def parameters(posterior: Posterior) -> tuple[Parameter, ...]:
    """Those that the model has beside the strengths."""
    return tuple(_parameter(told) for told in _told(posterior))


class _Told(NamedTuple):
    name: str
    values: FloatArray
    """[draws]"""
    effect: FloatArray
    """[draws]"""
    unit: str
    sentence: str
    """With a place for the effect."""


def _told(posterior: Posterior) -> Iterator[_Told]:
    draws = {
        name: values.reshape(-1, *values.shape[2:]) for name, values in posterior.draws.items()
    }
    ties, tie = posterior.spec.ties, posterior.tie.ravel()
    if "scale" in draws:
        scale = draws["scale"]
        spread = "Strengths of contestants spread with a standard deviation of {}."
        yield _Told("scale", scale, ELO_PER_NAT * scale, "Elo points", spread)
    if "side" in draws:
        side = draws["side"]
        wins = outcome_probabilities(ties, side, tie)
        verdict = "the side sways votes" if _clear(side) else "no effect of the side is shown"
        yield _Told(
            "side",
            side,
            wins[:, 0] / (wins[:, 0] + wins[:, 2]),
            "%",
            "Of two equals, the one on the left wins {} of the votes that are no tie: "
            f"{verdict}.",
        )
    if "tie" in draws:
        share = outcome_probabilities(ties, np.zeros_like(tie), tie)[:, 1]
        yield _Told("tie", tie, share, "%", "Two equals on equal sides tie in {} of the votes.")
    for k, covariate in enumerate(posterior.spec.style):
        weight = draws["style"][:, k]
        verdict = "it sways votes" if _clear(weight) else "no effect is shown"
        yield _Told(
            f"style:{covariate}",
            weight,
            np.exp(weight),
            "",
            f"One standard deviation more of {covariate} than the other answer multiplies the odds "
            f"of winning by {{}}: {verdict}.",
        )
    for k, covariate in enumerate(posterior.spec.tie_style):
        weight = draws["tie_style"][:, k]
        yield _Told(
            f"tie_style:{covariate}",
            weight,
            np.exp(weight),
            "",
            f"One standard deviation of difference in {covariate}, either way, multiplies the "
            "weight of a tie by {}.",
        )
    if "bad_mean" in draws:
        mean, scale = draws["bad_mean"], draws["bad_scale"]
        yield _Told("bad_mean", mean, expit(mean), "%", "Two average answers are both bad in {}.")
        worse = "The odds of both being bad rise by a factor of {} with a contestant one standard "
        yield _Told("bad_scale", scale, np.exp(scale), "", f"{worse}deviation worse than average.")
    if "level_scale" in draws:
        moves = (
            f"from one {posterior.spec.factor} to the next"
            if posterior.spec.structure == "drift"
            else f"from the one overall to that of a {posterior.spec.factor}"
        )
        scale = draws["level_scale"]
        yield _Told(
            "level_scale",
            scale,
            ELO_PER_NAT * scale,
            "Elo points",
            f"A strength moves {moves} with a standard deviation of {{}}.",
        )
    for k, kind in enumerate(KINDS if "kind_share" in draws else ()):
        share = draws["kind_share"][:, k]
        yield _Told(f"kind_share:{kind}", share, share, "%", f"Voters that are {kind}: {{}}.")
    yield from _told_of_judges(posterior)


def _told_of_judges(posterior: Posterior) -> Iterator[_Told]:
    for effect in judge_effects(posterior):
        odds = np.exp(effect.draws)
        verdict = "it is biased" if _clear(effect.draws) else "no bias is shown"
        what = {
            "side": "of the answer on the left",
            OWN: "of answers of its own family",
        }.get(
            effect.bias,
            f"of an answer with one standard deviation more of {effect.bias}, beyond what people "
            "make of that,",
        )
        yield _Told(
            f"judge_bias:{effect.judge}:{effect.bias}",
            effect.draws,
            odds,
            "",
            f"The judge {effect.judge} multiplies the odds {what} by {{}}: {verdict}.",
        )
    for judge, weight in judge_weights(posterior).items():
        yield _Told(
            f"judge_weight:{judge}",
            weight,
            weight,
            "",
            f"A difference that people see counts {{}} times as much to the judge {judge}.",
        )
    if "taste_scale" in posterior.draws:
        scale = posterior.draws["taste_scale"].ravel()
        yield _Told(
            "taste_scale",
            scale,
            ELO_PER_NAT * scale,
            "Elo points",
            "Beyond that and their biases judges differ from people on a contestant with a "
            "standard deviation of {}.",
        )


def _parameter(told: _Told) -> Parameter:
    eti_50, eti_94 = intervals(told.values)
    mean, (_, effect_94) = float(told.effect.mean()), intervals(told.effect)
    digits = {"%": 1, "": 2}.get(told.unit, 0)
    mean_, low, high = (
        f"{100 * x if told.unit == '%' else x:.{digits}f}" for x in (mean, *effect_94)
    )
    unit = f" {told.unit}" if told.unit else ""
    return Parameter(
        name=told.name,
        mean=float(told.values.mean()),
        sd=float(told.values.std(ddof=1)),
        eti_50=eti_50,
        eti_94=eti_94,
        effect=mean,
        effect_94=effect_94,
        sentence=told.sentence.format(f"{mean_}{unit} (94 %: {low} to {high})"),
    )


def _clear(effect: FloatArray) -> bool:
    """Whether the 94 % interval leaves out zero."""
    _, (low, high) = intervals(effect)
    return not low <= 0 <= high
