"""Which parameter runs away, or cannot be told from others, where a likelihood has no maximum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, vstack

from rostra.arena.ratings.classical.newton import Problem

FloatArray = NDArray[np.float64]

_SHARE = 1e-6
"""Of the largest part of a direction: what is smaller is not in it."""


def unidentified(problem: Problem) -> FloatArray | None:
    """[parameters], a direction in which no probability changes; None without one."""
    information = problem.information(problem.outcomes(np.zeros(problem.parameters)))
    part = information[problem.free][:, problem.free]
    dense = part if isinstance(part, np.ndarray) else part.toarray()
    scale = np.sqrt(np.diag(dense))
    if np.any(scale == 0):
        return _spread(problem, (scale == 0).astype(float))
    values, vectors = np.linalg.eigh(dense / np.outer(scale, scale))
    if values[0] > 1e-9:
        return None
    return _spread(problem, vectors[:, 0] / scale)


def separating(problem: Problem) -> FloatArray | None:
    """[parameters], a direction along which no vote becomes less probable and some more.

    Then the likelihood grows without end (Albert and Anderson 1984, Biometrika 71). None without
    one. With t the direction's change of the tie parameter and e that of the advantage of the left
    answer, times one half under Davidson: a vote for the left needs e >= 0 and e >= t, one for the
    right -e >= 0 and -e >= t, a tie t >= |e|.
    """
    rows = problem.rows
    design = _design(problem)
    if problem.ties == "davidson":
        design[:, :-1] *= 0.5
    eta = csr_array(np.hstack([design[:, :-1], np.zeros((len(design), 1))]))
    tie = csr_array(np.hstack([np.zeros_like(design[:, :-1]), design[:, -1:]]))
    counted = rows.votes * rows.weight[:, None] > 0
    left, tied, right = (np.flatnonzero(counted[:, outcome]) for outcome in range(3))
    at_least_zero = [eta[left], -eta[right]]
    if problem.has_tie:
        at_least_zero += [eta[left] - tie[left], -eta[right] - tie[right]]
        at_least_zero += [tie[tied] - eta[tied], tie[tied] + eta[tied]]
    else:
        at_least_zero += [eta[tied], -eta[tied]]
    matrix = vstack(at_least_zero)
    found = linprog(
        -np.asarray(matrix.sum(axis=0)).ravel(),
        A_ub=-matrix,
        b_ub=np.zeros(matrix.shape[0]),
        bounds=(-1, 1),
    )
    direction = found.x if problem.has_tie else found.x[:-1]
    return _spread(problem, direction) if found.success and -found.fun > 1e-9 else None


def named(problem: Problem, direction: FloatArray, names: tuple[str, ...]) -> str:
    """Coefficients that take part in a direction. Strengths by themselves never make one, since
    they are those of strongly connected groups."""
    part = np.abs(direction) > _SHARE * np.abs(direction).max()
    return ", ".join(names[i] for i in np.flatnonzero(part) if i >= problem.size)


def _design(problem: Problem) -> FloatArray:
    """[rows, free parameters and always one for the tie]"""
    rows = problem.rows
    number = np.arange(len(rows.left))
    strengths = coo_array(
        (
            np.repeat([1.0, -1.0], len(number)),
            (np.tile(number, 2), np.concatenate([rows.left, rows.right])),
        ),
        shape=(len(number), problem.size),
    ).toarray()
    whole = np.hstack([strengths, rows.extras, np.ones((len(number), 1))])
    last = whole.shape[1] - 1
    free = problem.free[problem.free < last]
    return whole[:, [*free, last]]


def _spread(problem: Problem, direction: FloatArray) -> FloatArray:
    whole = np.zeros(problem.parameters)
    whole[problem.free] = direction
    return whole
