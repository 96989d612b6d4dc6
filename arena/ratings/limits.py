"""What votes cannot tell, whatever the model: of a whole board, in sentences for its reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.cautions import FEW_VOTES, records
from rostra.arena.ratings.summary.graph import ordered_groups

MAX_NAMES = 5
DOMINANT = 0.5
"""Share of the votes from one voter, from which on the ratings are that voter's."""
VOTER = "voter"
"""Name of the factor that tells voters apart."""


@dataclass(frozen=True)
class Limits:
    """Sentences."""

    findings: tuple[str, ...]
    """Reasons not to rely on the ratings as one list."""
    notes: tuple[str, ...]
    """What holds for some contestants, or bounds what may be concluded, and spoils no list."""


def limits(counted: Board, votes: Board) -> Limits:
    """`counted`: the votes that bear on the order, as the model counts them. `votes`: all of them,
    with voters told apart where the board has them."""
    findings, notes = [], []
    groups = [names for names in counted.components if len(names) > 1]
    if len(groups) > 1:
        apart = [name for names in groups[1:] for name in names]
        # The largest group goes unnamed: the others are what somebody has to pair with it.
        findings.append(
            f"The votes fall into {len(groups)} groups that no vote links: ratings of one group "
            f"cannot be compared with those of another, only within it. Pair {listed(apart)} with "
            "the rest."
        )
    alone = [names[0] for names in counted.components if len(names) == 1]
    if alone:
        place = "its place rests" if len(alone) == 1 else "their places rest"
        notes.append(
            f"No vote bears on {listed(alone)}: {place} on the prior alone, and the ranks of the "
            "others are the wider for it."
        )
    notes += _one_sided(counted)
    if counted.num_votes and counted.ties.sum() == counted.num_votes:
        notes.append(
            f"All {counted.num_votes:,} votes that bear on the order are ties: they tell how often "
            "two tie, and nothing of who is better."
        )
    if counted.num_votes < FEW_VOTES * len(counted.contestants) / 2:
        bear = "1 vote bears" if counted.num_votes == 1 else f"{counted.num_votes:,} votes bear"
        notes.append(
            f"Only {bear} on the order of {len(counted.contestants)} contestants: the intervals "
            "are mostly the prior's."
        )
    return Limits(tuple(findings), (*notes, *_dominated(votes)))


def _one_sided(counted: Board) -> list[str]:
    """Where every vote went one way, so that the votes set no bound to how far apart two are."""
    record = dict(zip(counted.contestants, records(counted), strict=True))
    told = []
    for verb, direction, names in (
        ("won", "ahead", [name for name, of in record.items() if of.votes and of.won == of.votes]),
        (
            "lost",
            "behind",
            [name for name, of in record.items() if of.votes and of.lost == of.votes],
        ),
    ):
        if names:
            each, is_ = (" each", "they are") if len(names) > 1 else ("", "it is")
            told.append(
                f"{listed(names)}{each} {verb} every vote: that {is_} {direction} is told by the "
                "votes, how far by the prior."
            )
    blocks = [names for names in ordered_groups(counted) if len(names) > 1]
    for component in counted.components:
        linked = [names for names in blocks if set(names) <= set(component)]
        if len(linked) > 1:
            told.append(
                f"Of the votes between {listed(linked[0])} and those below, all went one way: how "
                "far apart these groups are rests on the prior."
            )
    return told


def _dominated(votes: Board) -> list[str]:
    if VOTER not in votes.factors or not votes.num_votes:
        return []
    by_voter = votes.by(VOTER)
    factor = by_voter.factors[VOTER]
    counts = [0] * len(factor.levels)
    for code, number in zip(
        factor.codes.tolist(), by_voter.table.sum(axis=1).tolist(), strict=True
    ):
        counts[code] += number
    most = max(range(len(counts)), key=counts.__getitem__)
    share = counts[most] / votes.num_votes
    if share < DOMINANT or len(counts) == 1:
        return []
    return [
        f"One voter, {factor.levels[most]}, cast {share:.0%} of the votes: the order is mostly "
        "that voter's, and the intervals do not know it."
    ]


def listed(names: Sequence[str]) -> str:
    """`MAX_NAMES` of them, and how many more."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
