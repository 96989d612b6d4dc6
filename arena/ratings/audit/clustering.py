"""Whether votes of one voter go together, so that there are fewer independent ones than counted."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.audit.evidence import VOTER, Evidence
from rostra.arena.ratings.audit.finding import Finding, Verdict
from rostra.arena.ratings.summary.mode import FloatArray, Mode

MIN_VOTERS = 20
"""With fewer the cluster-robust standard errors are themselves too uncertain, and too small
(Cameron and Miller 2015, Journal of Human Resources 50, section VI)."""
MAX_RATIO = 1.15
"""Of standard errors. Beyond, intervals are 15 % too narrow, which reads 94 % as 90 %."""
MAX_RATIO_OF_ORDER = 2.0
"""Intervals half as wide as they should be."""


def probe(evidence: Evidence) -> Finding:
    """Cluster-robust standard errors of the strengths against those of independent votes.

    The ratio is the mean over contestants; its square is the design effect.
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
    if number < MIN_VOTERS:
        text = f"{number} voters are too few to tell whether votes of one voter go together."
        return Finding("clustering", "cannot tell", text, numbers)
    found = evidence.voter_mode
    plain = standard_errors(found, independent_variance(found))
    gradients = found.gradients(voters.codes, number)
    clustered = (gradients.T @ gradients).toarray() * number / (number - 1)
    ratio = float(standard_errors(found, clustered).mean() / plain.mean())
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


def independent_variance(found: Mode) -> FloatArray:
    """[parameters, parameters], of the gradient, each vote for itself."""
    votes, cells = found.problem.votes, np.arange(len(found.problem.left))
    meat = np.zeros_like(found.covariance)
    for outcome in range(votes.shape[1]):
        # Votes of one cell and outcome have one gradient, which enters squared.
        only = np.zeros_like(votes)
        only[:, outcome] = np.sqrt(votes[:, outcome])
        rows = found.gradients(cells, len(cells), only)
        meat += (rows.T @ rows).toarray()
    return meat


def standard_errors(found: Mode, meat: FloatArray) -> FloatArray:
    """[contestants], of the strengths, by the sandwich (White 1982, Econometrica 50)."""
    variance = np.einsum("ij,jk,ik->i", found.covariance, meat, found.covariance)
    return np.sqrt(variance[: found.problem.size])
