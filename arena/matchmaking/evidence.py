"""The votes so far, as the policies ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache

import numpy as np

from rostra.arena.matchmaking.lottery import FloatArray
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.reduction import VoteReader

Votes = Callable[[datetime | None], Board | None]
"""The blind votes cast at a moment or later, all of them for None; None where there are none."""


def of_store(url: str, campaigns: Sequence[str] = (), without: Sequence[str] = ()) -> Votes:
    """Votes of `campaigns`, none for all, but for those `without`, in the store at `url`, opened
    when it is first asked, which raises ArenaError where it cannot be read."""
    reader = cache(lambda: VoteReader(url, campaigns, without=without))

    def read(since: datetime | None) -> Board | None:
        try:
            return reader().reduce(Wanted(since=since))[0]
        except RatingsError:
            return None

    return read


def by_contestant(board: Board | None) -> Mapping[str, int]:
    """How many votes each took part in; who had none may be missing."""
    if board is None:
        return {}
    counts = np.zeros(len(board.contestants), dtype=np.int64)
    for side in (board.left, board.right):
        np.add.at(counts, side, board.table.sum(axis=1))
    return dict(zip(board.contestants, counts.tolist(), strict=True))


def by_pair(board: Board | None, names: Sequence[str]) -> FloatArray:
    """[pairs, 3], votes for the first, ties, votes for the second, of every unordered pair of
    `names`; "both bad" is a tie, as on the board that the rule of variance comes from."""
    place = {name: at for at, name in enumerate(names)}
    table = np.zeros((len(names), len(names), 3))
    if board is not None:
        own = np.array([place.get(name, -1) for name in board.contestants])
        left, right = own[board.left], own[board.right]
        here = (left >= 0) & (right >= 0)
        counts = board.decided.astype(float)
        counts[:, 1] += board.both_bad
        np.add.at(table, (left[here], right[here]), counts[here])
    both = table + table[..., ::-1].swapaxes(0, 1)
    return np.asarray(both[np.triu_indices(len(names), 1)])
