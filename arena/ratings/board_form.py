"""The form of a board: rows in ascending order of what tells them apart, each kind once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.errors import RatingsError

if TYPE_CHECKING:
    from rostra.arena.ratings.board import Board


def check(board: Board, outcomes: int) -> None:
    """Raises RatingsError where the arrays of `board` are not in this form.

    `outcomes`: columns of its table.
    """
    if list(board.contestants) != sorted(set(board.contestants)):
        raise RatingsError("contestants must be unique and in ascending order; sort the names")
    if board.left.ndim != 1 or board.table.shape != (len(board.left), outcomes):
        raise RatingsError(f"a board's table must be [cells, {outcomes}]")
    columns = [board.right, *(factor.codes for factor in board.factors.values())]
    if any(column.shape != board.left.shape for column in (*columns, *board.covariates.values())):
        raise RatingsError("a board's columns differ in length; give one entry for each cell")
    for name, factor in board.factors.items():
        if list(factor.levels) != sorted(set(factor.levels)):
            raise RatingsError(f"levels of {name} must be unique and in ascending order")
    if not len(board.left):
        return
    for index, size in (
        (np.concatenate([board.left, board.right]), len(board.contestants)),
        *((factor.codes, len(factor.levels)) for factor in board.factors.values()),
    ):
        if index.min() < 0 or index.max() >= size:
            raise RatingsError("a cell names a contestant or a level that does not exist")
    if np.any(board.left == board.right):
        name = board.contestants[board.left[board.left == board.right][0]]
        raise RatingsError(f"{name!r} is paired with itself; take such battles out")
    if not all(np.isfinite(x).all() for x in board.covariates.values()):
        raise RatingsError("a covariate is not finite")
    if board.table.min() < 0:
        raise RatingsError("a count is negative")
    if not strictly_ascending(board.keys):
        raise RatingsError("cells must be unique and in ascending order; use Board.of")


def strictly_ascending(keys: Sequence[NDArray[Any]]) -> bool:
    """Whether rows are in strictly ascending lexicographic order of `keys`, each [rows]."""
    equal = np.ones(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        if np.any(equal & (key[1:] < key[:-1])):
            return False
        equal &= key[1:] == key[:-1]
    return not equal.any()


def merged(
    keys: Sequence[NDArray[Any]], table: NDArray[np.int64]
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """The rows of `table` [rows, outcomes] sorted by `keys`, each [rows], those with equal keys
    added up, those without votes gone; the keys of what is left, and the table."""
    order = np.lexsort(keys[::-1])
    order = order[table[order].any(axis=1)]
    ordered = [key[order] for key in keys]
    first = np.ones(len(order), dtype=bool)
    if len(order):
        first[1:] = np.any([key[1:] != key[:-1] for key in ordered], axis=0)
    starts = np.flatnonzero(first)
    added = np.add.reduceat(table[order], starts) if len(order) else table[order]
    return [key[starts] for key in ordered], added


def canonical(board: Board) -> bytes:
    """Compact JSON, UTF-8, of names and rows with votes: equal for equal votes.

    Rows are [left, right, a, tie, b, both_bad] in ascending order, followed by the codes of
    factors and the values of covariates; the names of these and the levels are there when a board
    has any. A cell without a vote leaves no trace.
    """
    voted = board.table.any(axis=1)
    rows = np.column_stack([board.left, board.right, board.table])[voted].tolist()
    form: dict[str, object] = {"contestants": board.contestants, "pairs": rows}
    if board.factors:
        form["factors"] = {name: factor.levels for name, factor in board.factors.items()}
    if board.covariates:
        form["covariates"] = list(board.covariates)
    for key in board.keys[2:]:
        for row, value in zip(rows, key[voted].tolist(), strict=True):
            row.append(value)
    return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()
