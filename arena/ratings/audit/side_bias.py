"""Whether the side an answer stood on mattered, and whether that matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.audit.evidence import Evidence
from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.intervals import PROBABILITIES
from rostra.arena.ratings.summary.mode import FloatArray, Problem, mode

MATERIAL = 0.05
"""Natural log odds; within that of zero is the region of practical equivalence. It moves the chance
of two equals by 1.25 % and a rating by 8.7 points: less than any board is read to."""
MIN_BOTH_ORDERS = 0.2
"""Share of pairs seen both ways round. With fewer, the side is a property of the pair."""
SORTED = 0.2
"""Where fewer votes than this, or all but fewer, name the pair in alphabetical order, the columns
were sorted by name and say nothing of who stood where."""
SEED = 20_262


def probe(evidence: Evidence) -> Finding:
    """The interval of the side effect against the region of practical equivalence.

    Where enough voters are known the interval is theirs: as much wider than that of independent
    votes as cluster-robust standard errors are, and never narrower. A few voters who favour one
    side by habit are then no bias of the side. Without any effect an alarm takes an interval wholly
    outside the region.
    """
    both, alphabetical = orientation(evidence.posterior.board)
    numbers: dict[str, float | int | None] = {
        "pairs_seen_both_ways": both,
        "votes_in_alphabetical_order": alphabetical,
    }
    if (reason := not_identified(evidence.posterior.board)) is not None:
        return Finding("side_bias", "cannot tell", reason, numbers)
    draws = side_draws(evidence)
    numbers["ratio"] = evidence.side_ratio
    low, high = np.quantile(draws, [PROBABILITIES[0], PROBABILITIES[-1]])
    mean = float(draws.mean())
    numbers |= {"side": mean, "low": float(low), "high": float(high), "material": MATERIAL}
    favoured = "left" if mean > 0 else "right"
    size = (
        f"The answer on the {favoured} had an advantage of {abs(mean) * ELO_PER_NAT:.0f} Elo points"
    )
    within = f"94 % interval {low * ELO_PER_NAT:.0f} to {high * ELO_PER_NAT:.0f} for the left"
    if evidence.side_ratio is not None:
        within += ", by voter"
    treated = (
        "the ratings are corrected for it"
        if evidence.posterior.spec.side
        else "the ratings are not corrected for it"
    )
    if low > MATERIAL or high < -MATERIAL:
        return Finding("side_bias", "warning", f"{size} ({within}); {treated}.", numbers)
    if low >= -MATERIAL and high <= MATERIAL:
        known = "detectable, but immaterial" if low > 0 or high < 0 else "none that matters"
        return Finding("side_bias", "pass", f"Side effect: {known} ({within}).", numbers)
    if low > 0 or high < 0:
        text = f"{size} ({within}): detectable, not shown to be material; {treated}."
        return Finding("side_bias", "pass", text, numbers)
    text = (
        f"That the side mattered is neither shown nor ruled out ({within}; "
        f"{MATERIAL * ELO_PER_NAT:.0f} would be material)."
    )
    return Finding("side_bias", "cannot tell", text, numbers)


def orientation(board: Board) -> tuple[float, float]:
    """Share of pairs that were seen both ways round, and of votes in alphabetical order."""
    votes = board.decided.sum(axis=1)
    size = len(board.contestants)
    met: NDArray[np.int64] = np.zeros((size, size), dtype=np.int64)
    np.add.at(met, (board.left, board.right), votes)
    pairs = int(np.count_nonzero(np.triu(met + met.T)))
    both = int(np.count_nonzero(np.triu((met > 0) & (met.T > 0))))
    # Contestants are in alphabetical order.
    return both / pairs if pairs else 0.0, float(np.triu(met).sum() / max(1, met.sum()))


def not_identified(board: Board) -> str | None:
    """Why nothing can be said about sides, in a sentence."""
    both, alphabetical = orientation(board)
    if both < MIN_BOTH_ORDERS:
        return (
            f"Only {both:.0%} of the pairs were seen both ways round, so an advantage of the side "
            "cannot be told from one of the contestant."
        )
    if not SORTED <= alphabetical <= 1 - SORTED:
        return (
            f"{alphabetical:.0%} of the votes name the pair in alphabetical order: which answer "
            "stood on the left seems not to have been recorded."
        )
    return None


def side_draws(evidence: Evidence) -> FloatArray:
    """[draws], of the side effect, to normal order where the model leaves it out; widened round
    their mean by `Evidence.side_ratio`."""
    posterior = evidence.posterior
    if posterior.spec.side and "side" in posterior.draws:
        draws = posterior.side.ravel()
    else:
        found = mode(Problem.of(posterior, side=True))
        at = found.problem.size
        sd = float(np.sqrt(found.covariance[at, at]))
        draws = np.random.default_rng(SEED).normal(found.side, sd, size=4000)
    return np.asarray(draws.mean() + max(1.0, evidence.side_ratio or 1.0) * (draws - draws.mean()))
