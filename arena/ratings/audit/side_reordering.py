"""Whether correcting for the side changes the order."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.audit.evidence import Evidence, listed
from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.audit.side_bias import not_identified
from rostra.arena.ratings.summary.mode import Problem, mode


def probe(evidence: Evidence) -> Finding:
    """The order with and without a side effect; separated pairs that swap count.

    Where sides are drawn at random, correcting changes strengths by much less than the width at
    which pairs count as separated.
    """
    posterior = evidence.posterior
    if (reason := not_identified(posterior.board)) is not None:
        return Finding("side_reordering", "cannot tell", reason)
    other = mode(Problem.of(posterior, side=not posterior.spec.side), evidence_start(evidence))
    swapped = evidence.reversed_by(other.strengths)
    claims = int(evidence.separated.sum())
    moved = int((other.order != evidence.mode.order).sum())
    numbers: dict[str, float | int | None] = {
        "reversed": len(swapped),
        "separated_pairs": claims,
        "places_changed": moved,
        "first_changes": int(other.order[0] != evidence.mode.order[0]),
    }
    if swapped:
        text = f"{len(swapped)} of {claims} separated pairs swap ({listed(swapped)})"
        if posterior.spec.side:
            text = f"Left uncorrected for sides, {text}: the order rests on the correction."
            return Finding("side_reordering", "warning", text, numbers, {"reversed": swapped})
        text = f"Corrected for sides, {text}: the order is in part one of sides."
        return Finding("side_reordering", "fail", text, numbers, {"reversed": swapped})
    text = f"Correcting for sides swaps none of the {claims} separated pairs."
    if moved:
        text += f" {moved} places among those not separated change."
    return Finding("side_reordering", "pass", text, numbers)


def evidence_start(evidence: Evidence) -> np.ndarray:
    """The parameters of the model with or without a side, from those of the other."""
    found = evidence.mode
    at = found.problem.size
    if found.problem.spec.side:
        return np.delete(found.parameters, at)
    return np.insert(found.parameters, at, 0.0)
