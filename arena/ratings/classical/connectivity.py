"""Where a maximum-likelihood estimate exists, and what to say where it does not.

Differences of strength are finite within a group of contestants of which none can be divided off
that won all its votes against the others: within a strongly connected component of the graph in
which each points to whom it beat, ties pointing both ways (Ford 1957, American Mathematical
Monthly 64, no. 8). Between such groups the likelihood grows without end as they move apart, or
does not change at all where no vote links them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from rostra.arena.ratings.classical.rows import Rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Strongly connected components, the one with most votes within it (the main one) first.

    Where no group has more than one member there is no main one.
    """

    label: IntArray
    """[contestants], number of each one's group; 0 is the main one."""
    size: IntArray
    """[groups]"""
    place: IntArray
    """[contestants]: 0 in the main group; 1 above it: its members, or those who beat them, lost
    to it, and none of them beat it; -1 below it; 2 where the votes say neither. Without a main
    group 1 is who lost to nobody, -1 who beat nobody."""
    linked: NDArray[np.bool_]
    """[contestants], whether votes link it to the main group, directly or through others."""
    votes: IntArray
    """[contestants], votes that bear on the order, of any weight."""

    @classmethod
    def of(cls, size: int, rows: Rows, preferred: NDArray[np.bool_] | None = None) -> Groups:
        """`preferred` [contestants]: the main group is one of those that hold any of these."""
        left_wins = rows.votes[:, :2].sum(axis=1) * rows.weight > 0
        right_wins = rows.votes[:, 1:].sum(axis=1) * rows.weight > 0
        winner = np.concatenate([rows.left[left_wins], rows.right[right_wins]])
        loser = np.concatenate([rows.right[left_wins], rows.left[right_wins]])
        beats = csr_array((np.ones(len(winner)), (winner, loser)), shape=(size, size))
        count, label = connected_components(beats, directed=True, connection="strong")
        counted = np.where(rows.weight > 0, rows.votes.sum(axis=1), 0)
        inside = label[rows.left] == label[rows.right]
        within = np.bincount(label[rows.left[inside]], counted[inside], count)
        members = np.bincount(label, minlength=count)
        first = np.full(count, size)
        np.minimum.at(first, label, np.arange(size))
        wanted = np.ones(count, dtype=bool)
        if preferred is not None:
            wanted = np.bincount(label, preferred, count) > 0
        order = np.lexsort([first, -members, -within, ~wanted])
        number = np.empty(count, dtype=np.int64)
        number[order] = np.arange(count)
        label = number[label]
        votes = np.bincount(rows.left, counted, size) + np.bincount(rows.right, counted, size)
        return cls(
            label=label,
            size=members[order],
            place=_places(beats, label, members[order]),
            linked=_linked(beats, label),
            votes=votes.astype(np.int64),
        )

    def centred(self, values: FloatArray) -> FloatArray:
        """`values` [contestants and maybe more, ...] less, for each one, its group's mean."""
        size = len(self.label)
        total = np.zeros((len(self.size), *values.shape[1:]))
        np.add.at(total, self.label, values[:size])
        mean = total / self.size.reshape(-1, *[1] * (values.ndim - 1))
        centred = values.copy()
        centred[:size] -= mean[self.label]
        return centred

    def why_not(self, contestants: tuple[str, ...]) -> dict[str, str]:
        """By name, why a contestant has no rating on the scale of the main group."""
        return {
            name: self._reason(position)
            for position, name in enumerate(contestants)
            if self.place[position] != 0
        }

    def _reason(self, position: int) -> str:
        if not self.votes[position]:
            return "no votes that bear on the order"
        alone = self.size[self.label[position]] == 1
        number = "1 vote" if self.votes[position] == 1 else f"{self.votes[position]:,} votes"
        if self.place[position] == 1:
            who = f"undefeated in {number}" if alone else "in a group undefeated by the others"
            return f"{who}: above the rest, but no finite estimate exists"
        if self.place[position] == -1:
            who = (
                f"without a win in {number}" if alone else "in a group that beat none of the others"
            )
            return f"{who}: below the rest, but no finite estimate exists"
        if not self.linked[position]:
            return "no votes link it to the main group"
        return "the votes place it neither above nor below the main group"


def _places(beats: csr_array, label: IntArray, members: IntArray) -> IntArray:
    place = np.full(len(label), 2, dtype=np.int64)
    if not len(label):
        return place
    if members[0] == 1:
        wins, losses = np.diff(beats.indptr), np.diff(csr_array(beats.T).indptr)
        place[(wins > 0) & (losses == 0)] = 1
        place[(losses > 0) & (wins == 0)] = -1
        return place
    main = int(np.flatnonzero(label == 0)[0])
    place[breadth_first_order(csr_array(beats.T), main, return_predecessors=False)] = 1
    place[breadth_first_order(beats, main, return_predecessors=False)] = -1
    place[label == 0] = 0
    return place


def _linked(beats: csr_array, label: IntArray) -> NDArray[np.bool_]:
    _, island = connected_components(beats, directed=False)
    return np.isin(island, island[label == 0])
