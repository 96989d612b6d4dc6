"""Whether all contestants can be compared, and by how many votes."""

from __future__ import annotations

from rostra.arena.ratings.audit.coverage import MIN_VOTES
from rostra.arena.ratings.audit.evidence import Evidence, listed
from rostra.arena.ratings.audit.finding import Finding

MIN_BRIDGE_VOTES = 30
"""Between two groups. The standard error of the distance between them, were all else known, is
then some 0.4 natural log odds, 65 Elo points, as for a contestant with so few votes."""


def probe(evidence: Evidence) -> Finding:
    """Components of the graph of votes, its weakest cut, and what never lost or never won.

    Exact: there is nothing random about it. Contestants with fewer than `MIN_VOTES` votes are left
    out of the weakest cut, since each is one of its own; `coverage` names them.
    """
    graph = evidence.graph
    cut = graph.weakest_cut(least=MIN_VOTES)
    groups, ordered = graph.components, graph.ordered_groups
    numbers: dict[str, float | int | None] = {
        "components": len(groups),
        "weakest_cut": None if cut is None else cut.votes,
        "bridges": len(graph.bridges),
        "articulations": len(graph.articulations),
        "ordered_groups": len(ordered),
    }
    details = {
        "components": [list(group) for group in groups],
        "weakest_cut": [] if cut is None else list(cut.group),
        "bridges": [[bridge.first, bridge.second, bridge.votes] for bridge in graph.bridges],
        "articulations": list(graph.articulations),
        "ordered_groups": [list(group) for group in ordered] if len(ordered) > 1 else [],
    }
    if len(groups) > 1:
        apart = [name for group in groups[1:] for name in group]
        return Finding(
            "connectivity",
            "fail",
            f"The votes fall into {len(groups)} groups that no vote links: {listed(apart)} cannot "
            "be compared with the rest.",
            numbers,
            details,
        )
    if cut is not None and cut.votes < MIN_BRIDGE_VOTES:
        return Finding(
            "connectivity",
            "warning",
            f"Only {cut.votes} vote{'s' if cut.votes > 1 else ''} link {listed(list(cut.group))} "
            "with the rest: how they compare with it is hardly known.",
            numbers,
            details,
        )
    if len(ordered) > 1:
        top, rest = list(ordered[0]), [name for group in ordered[1:] for name in group]
        text = (
            f"{listed(top)} never lost or tied against the rest"
            if len(top) <= len(rest)
            else f"{listed(rest)} never won or tied against the rest"
        )
        return Finding(
            "connectivity",
            "warning",
            f"{text}: the votes alone set no bound to that distance, the prior does.",
            numbers,
            details,
        )
    return Finding(
        "connectivity",
        "pass",
        f"Every contestant can be compared with every other: {graph.pairs_met:,} of "
        f"{graph.pairs_possible:,} pairs met, and no group hangs on few votes.",
        numbers,
        details,
    )
