"""How few votes the first rank hangs on."""

from __future__ import annotations

from rostra.arena.ratings.audit.evidence import Evidence
from rostra.arena.ratings.audit.finding import Finding, Verdict
from rostra.arena.ratings.summary.robustness import robustness

MIN_SHARE = 0.01
"""Of the votes: where one in a hundred, chosen to that end, changes who is first, then so may a
difference in whom one asks (Broderick, Giordano and Meager 2020 flag the same share)."""
MIN_SHARE_OF_ORDER = 0.001
MIN_VOTES = 5
"""So few are a warning whatever their share."""


def probe(evidence: Evidence) -> Finding:
    """The smallest number of votes found whose removal, as a fit confirms, changes the first rank.

    It grows with the lead, and for a lead of a given number of standard errors with the square root
    of the number of votes. So this measures how much a small part of the votes could do, not
    chance: a lead that is well separated can rest on one vote in a thousand of a million.
    """
    found = robustness(evidence.posterior, evidence.mode)
    votes = int(evidence.mode.problem.votes.sum())
    numbers: dict[str, float | int | None] = {
        "votes": found.votes,
        "share": found.share,
        "predicted": found.predicted,
        "of": votes,
    }
    if found.leader != evidence.leader:
        # The table is ordered by means; fits without some of the votes find modes.
        text = (
            f"{evidence.leader} is first by the mean strengths and {found.leader} by the most "
            "probable ones: no vote has to go for another to be first."
        )
        numbers |= {"votes": 0, "share": 0.0, "predicted": 0}
        names = {"leader": evidence.leader, "rival": found.leader, "dropped": []}
        return Finding("drop_votes", "fail", text, numbers, names)
    if found.votes is None or found.share is None:
        text = f"No choice of votes whose removal puts another before {found.leader} was found."
        return Finding("drop_votes", "pass", text, numbers)
    verdict: Verdict = "pass"
    if found.share < MIN_SHARE or found.votes < MIN_VOTES:
        verdict = "fail" if found.share < MIN_SHARE_OF_ORDER else "warning"
    details = {
        "leader": found.leader,
        "rival": found.rival,
        "dropped": [[kind.left, kind.right, kind.outcome, kind.votes] for kind in found.dropped],
    }
    text = (
        f"Taking away {found.votes:,} of {votes:,} votes ({_percent(found.share)}) would put "
        f"{found.rival} first instead of {found.leader}."
    )
    return Finding("drop_votes", verdict, text, numbers, details)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= MIN_SHARE_OF_ORDER else f"{100 * share:.2g} %"
