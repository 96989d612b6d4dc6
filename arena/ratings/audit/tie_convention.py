"""Whether the order depends on how ties are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rostra.arena.ratings.audit.evidence import Evidence, listed
from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.summary.mode import Mode, Problem, mode


def probe(evidence: Evidence) -> Finding:
    """The order under each other convention; who is first, and separated pairs that swap, count.

    Where ties come as any of the models says, the conventions agree but for the noise of the tied
    votes, which is less than the width at which pairs count as separated. Where the lead is not
    separated, they may still differ in who is first.
    """
    board = evidence.posterior.board
    ties, votes = int(board.ties.sum()), board.num_decided
    found = _alternatives(evidence)
    if not found:
        return Finding(
            "tie_convention", "pass", "There are no ties, so no convention bears on the order."
        )
    swapped = {name: evidence.reversed_by(fit.strengths) for name, fit in found.items()}
    names, first = evidence.names, evidence.mode.order[0]
    firsts = {name: names[fit.order[0]] for name, fit in found.items()}
    others = {name: leader for name, leader in firsts.items() if leader != names[first]}
    claims = int(evidence.separated.sum())
    pairs = sorted({pair for reversed_ in swapped.values() for pair in reversed_})
    numbers: dict[str, float | int | None] = {
        "tie_share": ties / votes,
        "conventions": len(found),
        "reversed": len(pairs),
        "separated_pairs": claims,
        "first_changes": len(others),
    }
    details = {"reversed": swapped, "first": firsts}
    if others:
        convention, leader = next(iter(others.items()))
        text = f"With {convention} {leader} would be first instead of {names[first]}."
        if pairs:
            text += f" {len(pairs)} of {claims} separated pairs swap."
        certain = evidence.separated[first].sum() == len(names) - 1
        return Finding("tie_convention", "fail" if certain else "warning", text, numbers, details)
    if pairs:
        text = (
            f"{len(pairs)} of {claims} separated pairs swap under another convention for ties "
            f"({listed(pairs)})."
        )
        return Finding("tie_convention", "warning", text, numbers, details)
    text = (
        f"Ties are {ties / votes:.0%} of the votes; however they are counted, {names[first]} is "
        f"first and none of the {claims} separated pairs swaps."
    )
    return Finding("tie_convention", "pass", text, numbers, details)


def _alternatives(evidence: Evidence) -> dict[str, Mode]:
    """Fits by convention, without the one that the posterior has."""
    posterior, start = evidence.posterior, evidence.mode.parameters
    own = posterior.spec.ties
    found: dict[str, Mode] = {}
    if evidence.mode.problem.votes[:, 1].any():
        for words, ties in (
            ("the ties modelled as Davidson does", "davidson"),
            ("the ties modelled as Rao and Kupper do", "rao-kupper"),
            ("the ties counted as half wins", "bradley-terry"),
        ):
            if ties != own:
                found[words] = mode(Problem.of(posterior, ties=ties, tie_style=()), start)
        half = Problem.of(posterior, ties="bradley-terry", tie_style=())
        if half.votes[:, [0, 2]].any():
            dropped = replace(half, votes=half.votes * np.array([1.0, 0.0, 1.0]))
            found["the ties left out"] = mode(dropped, start)
    if posterior.spec.both_bad != "tie" and posterior.board.both_bad.any():
        found["votes that both are bad counted as ties"] = mode(
            Problem.of(posterior, both_bad="tie"), start
        )
    return found
