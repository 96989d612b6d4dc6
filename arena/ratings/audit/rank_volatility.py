"""How far ranks could be off: in the posterior, and under other votes of the same kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.audit.evidence import MIN_VOTERS, Evidence
from rostra.arena.ratings.audit.finding import Finding, Verdict
from rostra.arena.ratings.summary.intervals import PROBABILITIES
from rostra.arena.ratings.summary.mode import FloatArray

MAX_WIDTH = 2.0
"""Ranks in the 94 % interval of the median contestant: it and one neighbour. With more, ranks in
the middle of the board cannot be quoted."""
MAX_SHARE_OF_FIELD = 0.5
"""With half the field in the median interval, ranks say next to nothing."""
SEED = 20_261


def probe(evidence: Evidence) -> Finding:
    """Widths of rank intervals; the wider of the posterior's and the resampled ones counts.

    Of how often the first is the best the smaller share counts: one that won all of its five votes
    wins them in every resample, and ties alone resample to ties.

    Resampled are the votes, or whole voters where enough are known, to first order.
    """
    ranks = evidence.posterior.ranks
    widths = ranks.worst - ranks.best + 1
    unit, samples = _resampled(evidence)
    resampled = np.argsort(np.argsort(-samples, axis=1, kind="stable"), axis=1) + 1
    best, worst = np.quantile(
        resampled, [PROBABILITIES[0], PROBABILITIES[-1]], axis=0, method="inverted_cdf"
    )
    median = float(max(np.median(widths), np.median(worst - best + 1)))
    first = int(evidence.order[0])
    p_best, stays_first = float(ranks.p_best[first]), float((resampled[:, first] == 1).mean())
    widest, size = int(np.argmax(widths)), len(widths)
    verdict: Verdict = "pass"
    if median > MAX_WIDTH:
        verdict = "fail" if median > MAX_SHARE_OF_FIELD * size else "warning"
    return Finding(
        "rank_volatility",
        verdict,
        f"The rank of the median contestant is known to within {median:.0f} "
        f"place{'s' if median >= 1.5 else ''} of {size}; {evidence.names[widest]} may be anywhere "
        f"from {ranks.best[widest]} to {ranks.worst[widest]}. "
        f"{evidence.names[first]} is the best in {min(p_best, stays_first):.0%} of cases, be it of "
        f"draws or of fits to other {unit} of the same kind, whichever are fewer.",
        {
            "median_width": float(np.median(widths)),
            "median_width_resampled": float(np.median(worst - best + 1)),
            "largest_width": int(widths[widest]),
            "first_is_best": p_best,
            "first_stays_first": stays_first,
            "resamples": len(samples),
        },
        {
            "resampled": unit,
            "ranks": {
                name: [int(low), int(high)]
                for name, low, high in zip(evidence.names, ranks.best, ranks.worst, strict=True)
            },
        },
    )


def _resampled(evidence: Evidence) -> tuple[str, FloatArray]:
    """What was resampled, and [samples, contestants], strengths under such votes."""
    rng = np.random.default_rng(SEED)
    size = len(evidence.names)
    if evidence.by_voter is not None:
        codes = evidence.by_voter.factors["voter"]
        if len(codes.levels) >= MIN_VOTERS:
            found = evidence.voter_mode
            gradients = found.gradients(codes.codes, len(codes.levels))
            times = rng.poisson(1.0, size=(evidence.replications, len(codes.levels))) - 1
            moved = (times @ gradients) @ found.covariance
            return "voters", (found.parameters + moved)[:, :size]
    found = evidence.mode
    counts: NDArray[np.int64] = rng.poisson(
        found.problem.votes, size=(evidence.replications, *found.problem.votes.shape)
    )
    return "votes", found.resampled(counts)[:, :size]
