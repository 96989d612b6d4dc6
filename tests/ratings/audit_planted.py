"""For each probe a league that must make it speak up, and who must keep silent on the clean one."""

from __future__ import annotations

import numpy as np
from audit_boards import League

CLEAN = League(side=0.0, votes=6000)
"""Six contestants far apart, 150 voters, nothing wrong."""

PLANTED: dict[str, tuple[League, str, set[str]]] = {
    # probe: league, what is planted, verdicts that name it
    "separation": (League(votes=120), "too few votes", {"warning", "fail"}),
    "rank_volatility": (League(votes=120), "too few votes", {"warning", "fail"}),
    "coverage": (
        League(weights=np.array([30, 1, 1, 30, 0.8, 0.5])),
        "two contestants get nearly all votes",
        {"warning"},
    ),
    "side_bias": (League(side=0.3), "the left is favoured", {"warning"}),
    "side_reordering": (
        League(
            strengths=np.array([1.0, 0.6, 0.5, 0.0, -0.5, -1.0]), side=1.5, left_share=(2, 0.97)
        ),
        "one contestant stands nearly always on the favoured side",
        {"warning"},
    ),
    "tie_convention": (
        League(strengths=np.array([1.0, 0.6, 0.4, 0.2, -0.6, -1.0]), hedged=(5, 4.0)),
        "a weak contestant that ties most of its votes",
        {"warning", "fail"},
    ),
    "intransitivity": (
        League(strengths=np.linspace(1, -1, 8), cycle=1.0),
        "five beat each other in a circle",
        {"warning", "fail"},
    ),
    "clustering": (League(taste=1.5, voters=40), "voters with tastes of their own", {"fail"}),
    "voter_influence": (
        League(strengths=np.array([0.6, 0.55, 0.2, 0.0, -0.3, -1.0]), heavy=(0.3, 3, 3.0)),
        "one voter casts 30 % of the votes, for one contestant",
        {"warning", "fail"},
    ),
    "drop_votes": (
        League(strengths=np.array([0.7, 0.7, 0.0, -0.2, -0.4, -0.8]), voters=300),
        "two share the lead",
        {"warning", "fail"},
    ),
    "drift": (League(change=(3, 0.8)), "one contestant is replaced half way", {"warning", "fail"}),
}
"""`connectivity` is not here: its boards are not drawn; nor `judge_bias`: see `judged_boards`."""
