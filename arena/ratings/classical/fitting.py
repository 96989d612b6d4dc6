"""From rows of votes to the optimum, group by group where groups cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from rostra.arena.ratings.classical.connectivity import Groups
from rostra.arena.ratings.classical.newton import NoMaximumError, Optimum, Problem, maximise
from rostra.arena.ratings.classical.outcomes import TieRule
from rostra.arena.ratings.classical.rows import Rows

FloatArray = NDArray[np.float64]

_POOLS = ThreadpoolController()
_ONE_THREAD = 1000
"""Parameters up to which BLAS threads cost more than they save: on a machine that others load,
ten times as much."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Votes between groups have probability one in the limit, so they bear on nothing else."""

    groups: Groups
    problem: Problem
    """Of the votes within groups."""
    optimum: Optimum | None
    """None where the likelihood has no maximum even within groups, or no vote is within one."""


def fit_rows(
    size: int,
    rows: Rows,
    ties: TieRule,
    start: FloatArray | None = None,
    preferred: NDArray[np.bool_] | None = None,
) -> Fitted:
    """`start` [parameters] as in `Problem`: where Newton's method begins, if it fits.

    `preferred` [contestants]: the main group is one of those that hold any of these; default: all.
    """
    groups = Groups.of(size, rows, preferred)
    same = groups.label[rows.left] == groups.label[rows.right]
    inside = rows if same.all() else rows.at(same)
    has_tie = ties != "half" and bool((inside.votes[:, 1] * inside.weight).any())
    references = _references(groups)
    moving = np.ones(size, dtype=bool)
    moving[references] = False
    others = np.arange(size, size + rows.extras.shape[1] + has_tie)
    free = np.concatenate([np.flatnonzero(moving), others])
    problem = Problem(size, inside, ties, has_tie, free)
    if not (inside.votes.sum(axis=1) * inside.weight).any():
        return Fitted(groups, problem, None)
    if start is not None and len(start) == problem.parameters:
        start = start.copy()
        start[:size] -= start[references][groups.label]
    else:
        start = None
    threads = 1 if problem.parameters <= _ONE_THREAD else None
    try:
        with _POOLS.limit(limits=threads, user_api="blas"):
            optimum = maximise(problem, start)
    except NoMaximumError:
        optimum = None
    return Fitted(groups, problem, optimum)


def _references(groups: Groups) -> NDArray[np.int64]:
    """[groups], the contestant of each group with the most votes, whose strength stays at zero."""
    order = np.lexsort([-groups.votes, groups.label])
    label = groups.label[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = label[1:] != label[:-1]
    return order[first]
