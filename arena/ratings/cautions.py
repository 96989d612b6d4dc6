"""What a reader must know of a single contestant's rating: where it rests on the prior."""

from __future__ import annotations

from rostra.arena.ratings.board import Board

FEW_VOTES = 10
"""Votes that bear on the order; with fewer, an interval is hardly narrower than the prior's."""


def cautions(board: Board, whole: Board) -> dict[str, str]:
    """By name, one sentence for each contestant that needs one.

    `board`: the votes that the ratings are of. `whole`: all votes that the draws were made from,
    which are more where `board` holds those at one level.
    """
    decided = board.per_contestant(board.decided.sum(axis=1)).tolist()
    won, lost = _wins(board)
    group_of = {name: group for group, names in enumerate(whole.components) for name in names}
    of_all = whole.per_contestant(whole.decided.sum(axis=1)).tolist()
    found = {}
    for i, name in enumerate(board.contestants):
        if not of_all[i]:
            found[name] = "No vote bears on its place: the rating and its interval are the prior's."
        elif group_of[name]:
            found[name] = (
                "No vote links it with the largest group: compare it within its own group only."
            )
        elif not decided[i]:
            found[name] = "No vote here: the rating is the one overall, with a wider interval."
        elif won[i] == decided[i]:
            found[name] = (
                f"Won every vote ({decided[i]:,}): how far it is ahead rests on the prior; "
                "the lower end of the interval is what the votes tell."
            )
        elif lost[i] == decided[i]:
            found[name] = (
                f"Lost every vote ({decided[i]:,}): how far it is behind rests on the prior; "
                "the upper end of the interval is what the votes tell."
            )
        elif decided[i] < FEW_VOTES:
            count = "1 vote bears" if decided[i] == 1 else f"{decided[i]} votes bear"
            found[name] = f"Only {count} on its place: the interval is mostly the prior's."
    return found


def _wins(board: Board) -> tuple[list[int], list[int]]:
    """[contestants], votes won and votes lost."""
    won, lost = [0] * len(board.contestants), [0] * len(board.contestants)
    for left, right, to_left, to_right in zip(
        board.left.tolist(),
        board.right.tolist(),
        board.wins_left.tolist(),
        board.wins_right.tolist(),
        strict=True,
    ):
        won[left] += to_left
        won[right] += to_right
        lost[left] += to_right
        lost[right] += to_left
    return won, lost
