"""Whether votes of one voter go together, so that there are fewer independent ones than counted."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.audit.evidence import MAX_RATIO, VOTER, Evidence
from rostra.arena.ratings.audit.finding import Finding, Verdict

MAX_RATIO_OF_ORDER = 2.0
"""Intervals half as wide as they should be."""


def probe(evidence: Evidence) -> Finding:
    """Cluster-robust standard errors of the strengths against those of independent votes.

    The ratio is the mean over contestants; its square is the design effect. With few voters
    it is uncertain itself, and an alarm may be one of chance.
    """
    board = evidence.by_voter
    if board is None:
        return Finding("clustering", "cannot tell", "The votes do not tell who cast them.")
    voters = board.factors[VOTER]
    number = len(voters.levels)
    cast = np.bincount(voters.codes, board.table.sum(axis=1), minlength=number)
    numbers: dict[str, float | int | None] = {
        "voters": number,
        "largest_share": float(cast.max() / cast.sum()),
    }
    if evidence.cluster_ratio is None:
        text = f"{number} voters are too few to tell whether votes of one voter go together."
        if not evidence.board_decides:
            text = "Ties alone do not tell whether votes of one voter go together."
        return Finding("clustering", "cannot tell", text, numbers)
    ratio = evidence.cluster_ratio
    assert ratio is not None
    total = board.num_decided
    numbers |= {
        "ratio": ratio,
        "design_effect": ratio**2,
        "effective_votes": round(total / max(1.0, ratio**2)),
    }
    verdict: Verdict = "pass"
    if ratio > MAX_RATIO:
        verdict = "fail" if ratio > MAX_RATIO_OF_ORDER else "warning"
        text = (
            f"Votes of one voter go together: {total:,} votes by {number:,} voters tell as much as "
            f"{round(total / ratio**2):,} independent ones, and intervals should be {ratio:.1f} "
            "times as wide."
        )
    else:
        text = (
            f"Votes of one voter hardly go together: standard errors by {number:,} voters are "
            f"{ratio:.2f} times those of independent votes."
        )
    return Finding("clustering", verdict, text, numbers)
