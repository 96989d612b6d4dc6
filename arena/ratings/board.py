"""Votes reduced to what the ratings need: counts of outcomes, one row for each kind of battle."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rostra.arena.ratings import board_form
from rostra.arena.ratings.errors import RatingsError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
_Scalar = TypeVar("_Scalar", bound=np.generic)

OUTCOMES = ("a", "tie", "b", "both_bad")
"""`a`: the answer on the left is better; `b`: the one on the right."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A label that each vote carries: its category, its language, its week, its voter."""

    levels: tuple[str, ...]
    """Unique; in ascending order, so that weeks named by ISO dates are in order of time."""
    codes: IntArray
    """[cells], index into `levels`. Read-only."""


@dataclass(frozen=True, eq=False)
class Board:
    """Sufficient statistics of the votes.

    A cell holds all votes that a model cannot tell apart: the same contestant on the left, the
    same on the right, the same level of every factor, the same value of every covariate. Cells
    are in ascending order of these, so equal votes give equal arrays whatever their order was.
    Without factors and covariates there is one cell for each ordered pair that met. Arrays are
    read-only. Make one with `Board.of`, which sorts and merges.

    Raises:
        RatingsError: the arrays are not in this form.
    """

    contestants: tuple[str, ...]
    """Names in ascending order; a contestant without votes may be among them."""
    left: IntArray
    """[cells], index into `contestants` of who stood on the left."""
    right: IntArray
    """[cells], likewise of who stood on the right."""
    table: IntArray
    """[cells, 4], votes by outcome, columns in the order of `OUTCOMES`."""
    factors: Mapping[str, Factor] = field(default_factory=dict)
    """By name."""
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    """[cells] by name. What favours the left answer is positive: left minus right, standardised."""

    def __post_init__(self) -> None:
        # Copies, so that nobody who holds the originals can change a frozen object.
        for name in ("left", "right", "table"):
            object.__setattr__(self, name, _frozen(getattr(self, name), np.int64))
        factors = {
            name: Factor(tuple(factor.levels), _frozen(factor.codes, np.int64))
            for name, factor in self.factors.items()
        }
        covariates = {name: _frozen(x, np.float64) for name, x in self.covariates.items()}
        object.__setattr__(self, "factors", MappingProxyType(factors))
        object.__setattr__(self, "covariates", MappingProxyType(covariates))
        board_form.check(self, len(OUTCOMES))

    @property
    def keys(self) -> list[NDArray[Any]]:
        """[cells] each, what orders the cells, the first key first."""
        codes = (factor.codes for factor in self.factors.values())
        return [self.left, self.right, *codes, *self.covariates.values()]

    @classmethod
    def of(
        cls,
        contestants: Iterable[str],
        left: ArrayLike,
        right: ArrayLike,
        table: ArrayLike,
        factors: Mapping[str, Factor] | None = None,
        covariates: Mapping[str, ArrayLike] | None = None,
    ) -> Board:
        """A board of these rows, sorted, those with equal keys added up, those without votes gone.

        `contestants` and the levels of factors must be in ascending order already.
        """
        table = np.asarray(table, dtype=np.int64).reshape(-1, len(OUTCOMES))
        factors = dict(factors or {})
        numbers = {name: np.asarray(x, dtype=float) for name, x in (covariates or {}).items()}
        codes = [np.asarray(factor.codes, dtype=np.int64) for factor in factors.values()]
        sides = [np.asarray(left, dtype=np.int64), np.asarray(right, dtype=np.int64)]
        keys: list[NDArray[Any]] = [*sides, *codes, *numbers.values()]
        keys, merged = board_form.merged(keys, table)
        places = 2 + len(factors)
        return cls(
            contestants=tuple(contestants),
            left=keys[0],
            right=keys[1],
            table=merged,
            factors={
                name: Factor(factor.levels, codes)
                for (name, factor), codes in zip(factors.items(), keys[2:places], strict=True)
            },
            covariates=dict(zip(numbers, keys[places:], strict=True)),
        )

    @classmethod
    def from_comparisons(
        cls,
        rows: Iterable[tuple[str, str, str]],
        contestants: Iterable[str] | None = None,
    ) -> Board:
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
        return cls.of(
            names,
            [index[left] for left, _ in tally],
            [index[right] for _, right in tally],
            list(tally.values()),
        )

    @property
    def wins_left(self) -> IntArray:
        """[cells], votes for the left answer."""
        return self.table[:, 0]

    @property
    def ties(self) -> IntArray:
        """[cells], votes that the two are equally good."""
        return self.table[:, 1]

    @property
    def wins_right(self) -> IntArray:
        """[cells], votes for the right answer."""
        return self.table[:, 2]

    @property
    def both_bad(self) -> IntArray:
        """[cells], votes that neither is good; they say nothing on which of the two is better."""
        return self.table[:, 3]

    @cached_property
    def decided(self) -> IntArray:
        """[cells, 3]: left wins, ties, right wins; the votes that bear on the order."""
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
        return self.per_contestant(self.table.sum(axis=1))

    @cached_property
    def votes_both_bad(self) -> IntArray:
        """[contestants], votes in which each took part and neither answer was good."""
        return self.per_contestant(self.both_bad)

    def per_contestant(self, per_cell: IntArray) -> IntArray:
        """[contestants], the sum of `per_cell` [cells] over the cells that each is part of."""
        size = len(self.contestants)
        total = np.zeros(size, dtype=np.int64)
        np.add.at(total, self.left, per_cell)
        np.add.at(total, self.right, per_cell)
        return total

    @cached_property
    def pooled(self) -> Board:
        """The same votes by ordered pair alone."""
        return self.by()

    def by(self, *factors: str, covariates: Sequence[str] = ()) -> Board:
        """The same votes with only these factors and covariates told apart.

        Raises RatingsError for one that the board does not have.
        """
        for name in (*factors, *covariates):
            if name not in self.factors and name not in self.covariates:
                raise RatingsError(
                    f"the votes carry no {name!r}; they carry "
                    + (", ".join([*self.factors, *self.covariates]) or "who met whom, and no more")
                )
        if list(factors) == list(self.factors) and list(covariates) == list(self.covariates):
            return self
        return Board.of(
            self.contestants,
            self.left,
            self.right,
            self.table,
            {name: self.factors[name] for name in factors},
            {name: self.covariates[name] for name in covariates},
        )

    def used(self) -> Board:
        """The same votes, levels of factors that no vote has gone."""
        factors = {}
        for name, factor in self.factors.items():
            kept, codes = np.unique(factor.codes, return_inverse=True)
            factors[name] = Factor(tuple(factor.levels[code] for code in kept), codes.reshape(-1))
        return Board.of(
            self.contestants, self.left, self.right, self.table, factors, self.covariates
        )

    def where(self, factor: str, level: str) -> Board:
        """The votes at one level of a factor, which the result no longer has. All contestants."""
        found = self.factors[factor]
        if level not in found.levels:
            raise RatingsError(f"no {factor} {level!r}; there are {', '.join(found.levels)}")
        at = found.codes == found.levels.index(level)
        return Board.of(
            self.contestants,
            self.left[at],
            self.right[at],
            self.table[at],
            {
                name: Factor(other.levels, other.codes[at])
                for name, other in self.factors.items()
                if name != factor
            },
            {name: x[at] for name, x in self.covariates.items()},
        )

    @cached_property
    def components(self) -> tuple[tuple[str, ...], ...]:
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
        """SHA-256, hexadecimal, of `board_form.canonical`."""
        return hashlib.sha256(board_form.canonical(self)).hexdigest()


def _frozen(values: ArrayLike, dtype: type[_Scalar]) -> NDArray[_Scalar]:
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array
