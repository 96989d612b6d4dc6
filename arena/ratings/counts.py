"""Votes reduced to what the ratings need: counts of outcomes for each ordered pair."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rostra.arena.ratings.errors import RatingsError

IntArray = NDArray[np.int64]

OUTCOMES = ("a", "tie", "b", "both_bad")
"""`a`: the answer on the left is better; `b`: the one on the right."""


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Sufficient statistics of the votes for every model that knows only who met whom and where.

    There is one row for each ordered pair (left, right) that met; rows are in ascending order of
    (left, right), so equal votes give equal arrays whatever their order was. Arrays are read-only.

    Raises:
        RatingsError: the arrays are not in this form.
    """

    contestants: tuple[str, ...]
    """Names in ascending order; a contestant without votes may be among them."""
    left: IntArray
    """[pairs], index into `contestants` of who stood on the left."""
    right: IntArray
    """[pairs], likewise of who stood on the right."""
    wins_left: IntArray
    """[pairs], votes for the left answer."""
    wins_right: IntArray
    """[pairs], votes for the right answer."""
    ties: IntArray
    """[pairs], votes that the two are equally good."""
    both_bad: IntArray
    """[pairs], votes that neither is good; they say nothing on which of the two is better."""

    def __post_init__(self) -> None:
        for field in fields(self)[1:]:
            # A copy, so that nobody who holds the original can change a frozen object.
            array = np.array(getattr(self, field.name), dtype=np.int64)
            array.setflags(write=False)
            object.__setattr__(self, field.name, array)
        self._check()

    def _check(self) -> None:
        if list(self.contestants) != sorted(set(self.contestants)):
            raise RatingsError("contestants must be unique and in ascending order; sort the names")
        if any(getattr(self, field.name).shape != self.left.shape for field in fields(self)[2:]):
            raise RatingsError("pair counts differ in length; give one entry for each ordered pair")
        if self.left.ndim != 1:
            raise RatingsError("pair counts must be one-dimensional, one entry for each pair")
        if not len(self.left):
            return
        indices = np.concatenate([self.left, self.right])
        if indices.min() < 0 or indices.max() >= len(self.contestants):
            raise RatingsError("a pair names a contestant that is not among the contestants")
        if np.any(self.left == self.right):
            name = self.contestants[self.left[self.left == self.right][0]]
            raise RatingsError(f"{name!r} is paired with itself; take such battles out")
        key = self.left * len(self.contestants) + self.right
        if np.any(np.diff(key) <= 0):
            raise RatingsError("ordered pairs must be unique and in ascending order")
        if self.table.min() < 0:
            raise RatingsError("a count is negative")

    @classmethod
    def from_comparisons(
        cls,
        rows: Iterable[tuple[str, str, str]],
        contestants: Iterable[str] | None = None,
    ) -> PairCounts:
        """Counts the votes `(left, right, outcome)`, outcome one of `OUTCOMES`.

        `contestants`: the whole field, when those who have not met anybody belong to it; a name
        outside it is then an error. Default: whoever is named by a vote.

        Raises:
            RatingsError: an unknown outcome or name, or a battle of a contestant with itself; the
                message gives the row, counted from 1.
        """
        field = None if contestants is None else frozenset(contestants)
        tally: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(OUTCOMES))
        for number, (left, right, outcome) in enumerate(rows, start=1):
            if outcome not in OUTCOMES:
                raise RatingsError(
                    f"row {number}: outcome {outcome!r} is none of {', '.join(OUTCOMES)}"
                )
            if left == right:
                raise RatingsError(f"row {number}: {left!r} is compared with itself")
            for name in (left, right):
                if field is not None and name not in field:
                    raise RatingsError(f"row {number}: {name!r} is not a contestant")
            tally[left, right][OUTCOMES.index(outcome)] += 1
        names = sorted(field if field is not None else {name for pair in tally for name in pair})
        index = {name: position for position, name in enumerate(names)}
        pairs = sorted(tally)
        votes = np.array([tally[pair] for pair in pairs], dtype=np.int64).reshape(-1, len(OUTCOMES))
        return cls(
            contestants=tuple(names),
            left=np.array([index[left] for left, _ in pairs], dtype=np.int64),
            right=np.array([index[right] for _, right in pairs], dtype=np.int64),
            wins_left=votes[:, 0],
            ties=votes[:, 1],
            wins_right=votes[:, 2],
            both_bad=votes[:, 3],
        )

    @cached_property
    def table(self) -> IntArray:
        """[pairs, 4], columns in the order of `OUTCOMES`."""
        return np.stack([self.wins_left, self.ties, self.wins_right, self.both_bad], axis=1)

    @cached_property
    def decided(self) -> IntArray:
        """[pairs, 3]: left wins, ties, right wins; the votes that bear on the order."""
        return np.ascontiguousarray(self.table[:, :3])

    @property
    def num_votes(self) -> int:
        return int(self.table.sum())

    @property
    def num_decided(self) -> int:
        """Votes that bear on the order: all but `both_bad`."""
        return int(self.decided.sum())

    @cached_property
    def votes(self) -> IntArray:
        """[contestants], votes in which each took part, `both_bad` included."""
        return self._per_contestant(self.table.sum(axis=1))

    @cached_property
    def votes_both_bad(self) -> IntArray:
        """[contestants], votes in which each took part and neither answer was good."""
        return self._per_contestant(self.both_bad)

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Contestants linked by votes that bear on the order, largest group first.

        More than one group means that nothing in the votes places one group against another.
        """
        linked = self.decided.sum(axis=1) > 0
        size = len(self.contestants)
        graph = coo_array(
            (np.ones(int(linked.sum())), (self.left[linked], self.right[linked])),
            shape=(size, size),
        )
        _, labels = connected_components(graph, directed=False)
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for name, label in zip(self.contestants, labels, strict=True):
            groups[int(label)].append(name)
        return tuple(sorted(map(tuple, groups.values()), key=lambda names: (-len(names), names)))

    @cached_property
    def data_hash(self) -> str:
        """SHA-256, hexadecimal, of the canonical form: compact JSON of names and rows with votes.

        Rows are [left, right, a, tie, b, both_bad] in ascending order; a pair without a vote
        leaves no trace.
        """
        rows = np.column_stack([self.left, self.right, self.table])[self.table.any(axis=1)]
        text = json.dumps(
            {"contestants": self.contestants, "pairs": rows.tolist()},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def _per_contestant(self, per_pair: IntArray) -> IntArray:
        size = len(self.contestants)
        total = np.zeros(size, dtype=np.int64)
        np.add.at(total, self.left, per_pair)
        np.add.at(total, self.right, per_pair)
        return total
