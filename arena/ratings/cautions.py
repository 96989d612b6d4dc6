"""What a reader must know of a single contestant's rating: where it rests on the prior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rostra.arena.ratings.board import Board, IntArray

FEW_VOTES = 10
"""Votes that bear on the order; with fewer, an interval is hardly narrower than the prior's."""


def cautions(board: Board, whole: Board) -> dict[str, str]:
    """By name, one sentence for each contestant that needs one.

    `board`: the votes that the ratings are of. `whole`: all votes that the draws were made from,
    which are more where `board` holds those at one level.
    """
    group_of = {name: group for group, names in enumerate(whole.components) for name in names}
    of_all = whole.per_contestant(whole.decided.sum(axis=1)).tolist()
    found = {}
    for name, record, votes in zip(board.contestants, records(board), of_all, strict=True):
        if not votes:
            found[name] = "No vote bears on its place: the rating and its interval are the prior's."
        elif group_of[name]:
            found[name] = (
                "No vote links it with the largest group: compare it within its own group only."
            )
        elif not record.votes:
            found[name] = "No vote here: the rating is the one overall, with a wider interval."
        elif record.won == record.votes:
            found[name] = (
                f"Won every vote ({record.votes:,}): how far it is ahead rests on the prior; "
                "the lower end of the interval is what the votes tell."
            )
        elif record.lost == record.votes:
            found[name] = (
                f"Lost every vote ({record.votes:,}): how far it is behind rests on the prior; "
                "the upper end of the interval is what the votes tell."
            )
        elif record.votes < FEW_VOTES:
            count = "1 vote bears" if record.votes == 1 else f"{record.votes} votes bear"
            found[name] = f"Only {count} on its place: the interval is mostly the prior's."
    return found


class Record(NamedTuple):
    """One contestant's votes that bear on the order."""

    votes: int
    won: int
    lost: int


def records(board: Board) -> list[Record]:
    """Of each contestant."""
    size = len(board.contestants)

    def total(on_left: IntArray, on_right: IntArray) -> list[int]:
        left = np.bincount(board.left, on_left, size)
        return (left + np.bincount(board.right, on_right, size)).astype(np.int64).tolist()

    decided = board.decided.sum(axis=1)
    won = total(board.wins_left, board.wins_right)
    lost = total(board.wins_right, board.wins_left)
    return [Record(*row) for row in zip(total(decided, decided), won, lost, strict=True)]
