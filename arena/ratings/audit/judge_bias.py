"""Whether what a judge prefers is swayed by anything that it should not be."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.audit.evidence import Evidence, listed
from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.intervals import FloatArray
from rostra.arena.ratings.summary.judges import OWN, judge_effects, judge_weights

MATERIAL = 0.1
"""Natural log odds; within that of zero is the region of practical equivalence, 17 Elo points."""
LARGE = 0.5
"""Natural log odds that an interval has to rule out before a judge is said to be without bias."""
FOLLOWS = 0.5
"""Weight below which a judge's verdicts have little to do with what people prefer."""
LEVEL = 0.94
"""Of all intervals at once, by Bonferroni: more judges, more false alarms to avoid."""


def probe(evidence: Evidence) -> Finding:
    """Each coefficient's interval against the region of practical equivalence, and each weight's
    against `FOLLOWS`. An alarm takes an interval wholly outside, at once for all judges."""
    posterior = evidence.posterior
    effects, weights = judge_effects(posterior), judge_weights(posterior)
    if not weights:
        return Finding("judge_bias", "pass", "No verdict of a judge is among the votes.", {})
    tail = (1 - LEVEL) / 2 / (len(effects) + len(weights))
    numbers: dict[str, float | int | None] = {"material": MATERIAL, "follows": FOLLOWS}
    told, unclear = [], []
    for effect in effects:
        low, high = _interval(effect.draws, tail)
        mean = float(effect.draws.mean())
        numbers[f"{effect.judge}: {effect.bias}"] = mean
        if low > MATERIAL or high < -MATERIAL:
            elo = [f"{ELO_PER_NAT * x:+.0f}" for x in (mean, low, high)]
            told.append(
                f"{effect.judge} {_sways(effect.bias, mean)} ({elo[0]} Elo points, {elo[1]} to "
                f"{elo[2]})"
            )
        elif low < -LARGE or high > LARGE:
            unclear.append(f"{effect.judge} ({effect.bias})")
    for judge, draws in weights.items():
        low, high = _interval(draws, tail)
        numbers[f"{judge}: weight"] = float(draws.mean())
        if high < FOLLOWS:
            told.append(
                f"what {judge} prefers has little to do with what people do (weight "
                f"{draws.mean():.2f}, {low:.2f} to {high:.2f}, where people's is 1)"
            )
    if told:
        text = f"Judges are biased: {'; '.join(told)}; the ratings are corrected for it."
        return Finding("judge_bias", "warning", text, numbers)
    if unclear:
        text = f"Too few verdicts to rule out a large bias of {listed(unclear)}."
        return Finding("judge_bias", "cannot tell", text, numbers)
    return Finding("judge_bias", "pass", "No judge is shown to be biased materially.", numbers)


def _interval(draws: FloatArray, tail: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _sways(bias: str, mean: float) -> str:
    if bias == "side":
        return f"favours the answer on the {'left' if mean > 0 else 'right'}"
    if bias == OWN:
        return f"favours answers of {'its own family' if mean > 0 else 'others than its family'}"
    return f"favours {'more' if mean > 0 else 'less'} {bias} than people do"
