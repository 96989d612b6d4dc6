"""Whether some contestants got far more of the votes than others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.audit.evidence import Evidence, listed
from rostra.arena.ratings.audit.finding import Finding

MIN_VOTES = 30
"""That bear on the order. With fewer the standard error of a strength is above some 0.4 natural
log odds, 65 Elo points: a rating, but no rank to quote."""
MAX_GINI = 0.5
"""Of votes by contestant. As uneven as when a fifth of the field has some two thirds of the
votes; who is sampled more is known better and can be chosen more often (Singh et al. 2025, The
leaderboard illusion, arXiv 2504.20879)."""


def probe(evidence: Evidence) -> Finding:
    """Votes by contestant. Exact: there is nothing random about it."""
    board, names = evidence.posterior.board, evidence.names
    votes = board.per_contestant(board.decided.sum(axis=1))
    gini = inequality(votes)
    thin = [names[i] for i in np.argsort(votes, kind="stable") if votes[i] < MIN_VOTES]
    unseen = [names[i] for i in np.flatnonzero(votes == 0)]
    graph = evidence.graph
    most = int(np.argmax(votes))
    share = float(votes[most] / votes.sum())
    numbers: dict[str, float | int | None] = {
        "gini": gini,
        "fewest_votes": int(votes.min()),
        "median_votes": float(np.median(votes)),
        "most_votes": int(votes.max()),
        "largest_sampling_share": share,
        "even_sampling_share": 1 / len(votes),
        "thin_contestants": len(thin),
        "pairs_met": graph.pairs_met,
        "pairs_possible": graph.pairs_possible,
    }
    details = {"thin": thin, "votes": {n: int(v) for n, v in zip(names, votes, strict=True)}}
    if unseen:
        plural = "s" if len(unseen) == 1 else ""
        text = f"{listed(unseen)} ha{plural or 've'} no vote that bears on the order."
        return Finding("coverage", "fail", text, numbers, details)
    if thin:
        text = (
            f"{listed(thin)} ha{'s' if len(thin) == 1 else 've'} fewer than {MIN_VOTES} votes: "
            "a rating, but no rank to quote."
        )
        return Finding("coverage", "warning", text, numbers, details)
    spread = f"from {votes.min():,} to {votes.max():,} votes by contestant"
    if gini > MAX_GINI:
        text = (
            f"Votes are spread unevenly, {spread}; {names[most]} alone has {share:.0%} of the "
            f"places, where an even share is {1 / len(votes):.0%}."
        )
        return Finding("coverage", "warning", text, numbers, details)
    text = f"Votes are spread evenly enough, {spread}."
    return Finding("coverage", "pass", text, numbers, details)


def inequality(counts: NDArray[np.int64]) -> float:
    """Gini coefficient: 0 when all are equal, near 1 when one has everything."""
    ordered = np.sort(counts).astype(float)
    size = len(ordered)
    if not ordered.sum():
        return 0.0
    return float((2 * np.arange(1, size + 1) - size - 1) @ ordered / (size * ordered.sum()))
