"""Which neighbours in the order the votes separate, one by one and all at once."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.audit.evidence import Evidence
from rostra.arena.ratings.audit.finding import Finding, Verdict
from rostra.arena.ratings.summary.tiers import LEVEL, simultaneous_width

MAX_UNSEPARATED = 0.25
"""Share of neighbours. A crowded board always has some; with more than a quarter, a list from
first to last reads as much more order than the votes hold."""
ONE_BY_ONE = (1 + LEVEL) / 2
"""Probability of being ahead at which zero lies outside the pair's own equal-tailed interval."""


def probe(evidence: Evidence) -> Finding:
    """Simultaneous intervals of the differences between neighbours, from the draws.

    Where votes of one voter go together the draws are widened by as much as `clustering` says, so
    that the count can be lower than that of the tiers.
    """
    posterior, order = evidence.posterior, evidence.order
    upper, lower = order[:-1], order[1:]
    linked = posterior.linked[upper, lower]
    if not linked.any():
        return Finding(
            "separation", "cannot tell", "No two neighbours in the order are linked by votes."
        )
    neighbours = np.zeros_like(posterior.linked)
    neighbours[upper[linked], lower[linked]] = neighbours[lower[linked], upper[linked]] = True
    draws = evidence.strengths
    width, sd = simultaneous_width(draws, neighbours)
    gap = evidence.means[upper] - evidence.means[lower]
    at_once = linked & (gap > width * sd[upper, lower])
    ahead = (draws[:, upper] > draws[:, lower]).mean(axis=0)
    singly = linked & (ahead >= ONE_BY_ONE)
    pairs = len(upper)
    unseparated = 1 - at_once.sum() / pairs
    verdict: Verdict = "pass"
    if unseparated > MAX_UNSEPARATED:
        verdict = "warning" if at_once.any() else "fail"
    names = evidence.names
    if evidence.widened == 1:
        tiers = int(posterior.tiers.tier.max())
        end = f" They make {tiers} tier{'s' if tiers > 1 else ''}."
    else:
        tiers = None
        end = (
            f" Intervals were taken {evidence.widened:.1f} times as wide, as votes of one voter go "
            "together."
        )
    first, second = names[upper[0]], names[lower[0]]
    if at_once[0]:
        top = f"{first} is first."
    elif linked[0]:
        top = f"That {first} is ahead of {second} has a probability of {_percent(ahead[0])} only."
    else:
        top = f"No votes link {first} and {second}, who stand first."
    return Finding(
        "separation",
        verdict,
        f"The votes separate {at_once.sum()} of {pairs} neighbours in the order, taken all at "
        f"once ({singly.sum()} taken one by one). {top}{end}",
        {
            "neighbours": pairs,
            "separated_at_once": int(at_once.sum()),
            "separated_one_by_one": int(singly.sum()),
            "unseparated_share": float(unseparated),
            "tiers": tiers,
            "widened": evidence.widened,
            "probability_first_ahead": float(ahead[0]) if linked[0] else None,
        },
        {
            "neighbours": [
                {
                    "upper": names[i],
                    "lower": names[j],
                    "probability_ahead": float(p) if known else None,
                    "at_once": bool(both),
                    "one_by_one": bool(one),
                }
                for i, j, p, both, one, known in zip(
                    upper, lower, ahead, at_once, singly, linked, strict=True
                )
            ]
        },
    )


def _percent(probability: float) -> str:
    """Never rounded up to certainty."""
    return f"{min(probability, 0.99):.0%}"
