"""Another package's audit of the same boards: where the two differ, the reason stands here.

arenakit 0.1.1 (MIT) resamples the votes, or the voters, and fits Bradley-Terry with half wins for
ties. A difference that is not explained, and an explanation without a difference, both fail.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_boards import League, Votes
from audit_planted import CLEAN, PLANTED
from ratings_boards import names

from rostra.arena.ratings import audit

arenakit = pytest.importorskip("arenakit", reason="arenakit is not installed: pip install arenakit")

RESAMPLES = 120
PAIRS = {
    # arenakit's probe: the probe here that asks the same
    "separation": "separation",
    "rank_volatility": "rank_volatility",
    "connectivity": "connectivity",
    "coverage_imbalance": "coverage",
    "position_bias": "side_bias",
    "position_reordering": "side_reordering",
    "tie_convention": "tie_convention",
    "intransitivity": "intransitivity",
    "vote_clustering": "clustering",
    "annotator_influence": "voter_influence",
}


def halves() -> Votes:
    """Two groups that never met."""
    votes = CLEAN.draw(1)
    return votes.where((votes.left < 3) == (votes.right < 3))


def llmfao(path: Path) -> Votes:
    with (path / "llmfao" / "votes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    contestants = sorted({row["left"] for row in rows} | {row["right"] for row in rows})
    workers = sorted({row["worker"] for row in rows})
    outcomes = {"left": 0, "tie": 1, "right": 2}
    return Votes(
        len(contestants),
        np.array([contestants.index(row["left"]) for row in rows]),
        np.array([contestants.index(row["right"]) for row in rows]),
        np.array([outcomes[row["winner"]] for row in rows]),
        np.array([workers.index(row["worker"]) for row in rows]),
        np.zeros(len(rows), dtype=np.int64),
    )


def ours(votes: Votes) -> dict[str, str]:
    verdicts = {f.name: f.verdict for f in audit.run(votes.evidence(), quick=True)}
    words = {"pass": "silent", "warning": "alarm", "fail": "alarm", "cannot tell": "cannot tell"}
    return {name: words[verdict] for name, verdict in verdicts.items()}


def theirs(votes: Votes) -> dict[str, str]:
    labels = names(votes.size)
    battles: list[Any] = [
        arenakit.Battle(
            model_a=labels[left],
            model_b=labels[right],
            winner=("a", "tie", "b")[outcome],
            voter_id=f"v{voter}",
        )
        for left, right, outcome, voter in zip(
            votes.left, votes.right, votes.outcome, votes.voter, strict=True
        )
    ]
    result = arenakit.run_audit(arenakit.Arena(battles, models=list(labels)), RESAMPLES)
    return {
        probe.name: "cannot tell" if probe.skipped else "alarm" if probe.triggered else "silent"
        for probe in result.probes
    }


BOARDS: dict[str, League | Votes] = {
    "clean": CLEAN,
    # Not those of another probe's board, nor of what arenakit does not ask.
    **{
        name: league
        for name, (league, _, _) in PLANTED.items()
        if name not in ("rank_volatility", "drift")
    },
    "two groups": halves(),
}

UNSURE = (
    "arenakit is silent unless its whole interval lies outside the band of innocent effects; here "
    "an interval that holds zero and material effects is neither an alarm nor an acquittal"
)
MANY_VOTERS = (
    "arenakit leaves one annotator out only where there are 3 to 200; here the influence of any "
    "number is known to first order, and the largest are left out by a fit"
)
LARGEST_GROUP = (
    "arenakit audits the largest of the groups that never met and drops the others; here the whole "
    "list is audited, across whose groups nothing is separated"
)
WHO_IS_FIRST = (
    "arenakit looks at pairs that it separates, or at the size of shifts; here who is first counts "
    "too, and two share the lead of this board"
)
EXPLAINED: dict[tuple[str, str], str] = {
    **{
        (board, "position_bias"): UNSURE
        for board in BOARDS
        if board not in ("side_bias", "side_reordering")
    },
    ("intransitivity", "tie_convention"): WHO_IS_FIRST,
    ("intransitivity", "annotator_influence"): WHO_IS_FIRST,
    ("drop_votes", "annotator_influence"): MANY_VOTERS,
    ("two groups", "separation"): LARGEST_GROUP,
    ("two groups", "rank_volatility"): LARGEST_GROUP,
    ("llmfao", "position_bias"): (
        "39 % of the votes are ties: as half wins, as arenakit counts them, the advantage is 0.09 "
        "with an interval from 0.03; as an outcome of their own, 0.16 from 0.10"
    ),
    ("llmfao", "intransitivity"): (
        "both find an excess of 0.03; arenakit compares the interval of single replications with "
        "its band, here the excess over their mean is compared, and its p-value"
    ),
    ("llmfao", "annotator_influence"): (
        "arenakit measures shifts in median gaps, which 59 crowded contestants make tiny; here the "
        "claims count that the order carries, and no one voter undoes one of them"
    ),
}


def differences(board: str, votes: Votes) -> list[str]:
    """In what the two audits differ without a reason, and reasons that explain nothing."""
    here, there = ours(votes), theirs(votes)
    explained = {probe for at, probe in EXPLAINED if at == board}
    found = []
    for probe, name in PAIRS.items():
        if (there[probe] != here[name]) != (probe in explained):
            reason = "explained" if probe in explained else "not explained"
            found.append(f"{probe}: arenakit {there[probe]}, here {here[name]}, {reason}")
    return found


@pytest.mark.parametrize("board", BOARDS)
def test_every_difference_on_a_planted_board_is_explained(board: str) -> None:
    of = BOARDS[board]
    assert differences(board, of if isinstance(of, Votes) else of.draw(1)) == []


def test_every_difference_on_real_votes_is_explained(shared_data: Path) -> None:
    assert differences("llmfao", llmfao(shared_data)) == []
