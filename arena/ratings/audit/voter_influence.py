"""Whether the order hangs on one voter."""

from __future__ import annotations

import numpy as np

from rostra.arena.ratings.audit.evidence import VOTER, Evidence, listed
from rostra.arena.ratings.audit.finding import Finding, Verdict
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.mode import mode

MIN_VOTERS = 3
"""Without one of two, half of what is known is gone: that is no perturbation."""
MAX_SHARE = 0.25
"""Of all votes by one voter: then the order is first of all that voter's."""
TRIED = 5
"""Voters left out by a fit: those whose influence is greatest to first order, and as many of those
with the most votes, for whom the first order is least exact."""


def probe(evidence: Evidence) -> Finding:
    """The order without each voter; who is first, and separated pairs that swap, count.

    All voters to first order, the most influential by a fit without them. A clean board's separated
    pairs are too far apart for one of many voters to swap; who is first changes where two
    contestants share the lead, and then `separation` says so too.
    """
    board = evidence.by_voter
    if board is None:
        return Finding("voter_influence", "cannot tell", "The votes do not tell who cast them.")
    voters = board.factors[VOTER]
    number = len(voters.levels)
    if number < MIN_VOTERS:
        text = f"{number} voter{'s are' if number > 1 else ' is'} too few to leave one out."
        return Finding("voter_influence", "cannot tell", text, {"voters": number})
    found, size = evidence.voter_mode, len(evidence.names)
    # The removal of a voter moves the parameters by minus its gradient, to first order.
    moved = -(found.gradients(voters.codes, number) @ found.covariance)[:, :size]
    cast = np.bincount(voters.codes, board.table.sum(axis=1), minlength=number)
    shares = cast / cast.sum()
    tried = np.union1d(
        np.argsort(-np.abs(moved).max(axis=1), kind="stable")[:TRIED],
        np.argsort(-cast, kind="stable")[:TRIED],
    )
    full = found.strengths
    shift = np.zeros(len(tried))
    who = np.zeros(len(tried), dtype=np.int64)
    swapped: dict[str, list[str]] = {}
    leaders: dict[str, str] = {}
    for at, voter in enumerate(tried):
        kept = np.where((voters.codes == voter)[:, None], 0.0, found.problem.votes)
        without = mode(found.problem.with_votes(kept), found.parameters)
        change = np.abs(without.strengths - full)
        shift[at], who[at] = change.max(), np.argmax(change)
        if pairs := evidence.reversed_by(without.strengths):
            swapped[voters.levels[voter]] = pairs
        # One who heads the table by its means is not put first by anybody's absence.
        if without.order[0] not in (found.order[0], evidence.order[0]):
            leaders[voters.levels[voter]] = evidence.names[without.order[0]]
    worst = int(np.argmax(shift))
    gap = float(np.median(np.diff(np.sort(full))))
    first_order = int((np.argmax(full + moved, axis=1) != found.order[0]).sum())
    numbers: dict[str, float | int | None] = {
        "voters": number,
        "largest_share": float(shares.max()),
        "largest_shift_elo": float(shift[worst] * ELO_PER_NAT),
        "largest_shift_in_median_gaps": float(shift[worst]) / gap if gap > 0 else None,
        "voters_who_change_the_first": len(leaders),
        "voters_who_change_the_first_to_first_order": first_order,
        "voters_who_swap_separated_pairs": len(swapped),
    }
    details = {
        "most_influential_share": float(shares[tried[worst]]),
        "most_moved": evidence.names[who[worst]],
        "swapped": [sorted(pairs) for pairs in swapped.values()],
        "first_without": sorted(set(leaders.values())),
    }
    verdict: Verdict = "pass"
    if swapped:
        verdict = "fail"
        pairs = sorted({pair for some in swapped.values() for pair in some})
        text = f"Without the votes of one voter separated pairs swap ({listed(pairs)})."
    elif leaders:
        verdict = "warning"
        text = (
            f"Without the votes of one of {number:,} voters "
            f"{listed(sorted(set(leaders.values())))} would be first."
        )
    else:
        text = (
            f"No one of {number:,} voters changes who is first or swaps a separated pair; the most "
            f"influential moves {evidence.names[who[worst]]} by "
            f"{shift[worst] * ELO_PER_NAT:.0f} Elo points."
        )
    if shares.max() > MAX_SHARE:
        verdict = "fail" if verdict == "fail" else "warning"
        text = f"One voter cast {shares.max():.0%} of the votes. {text}"
    return Finding("voter_influence", verdict, text, numbers, details)
