"""Newton's method on the log-likelihood of paired comparisons, to a tight optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import block_array, coo_array, csc_array
from scipy.sparse.linalg import splu

from rostra.arena.ratings.classical.outcomes import Outcomes, TieRule, outcomes
from rostra.arena.ratings.classical.rows import Rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Information: TypeAlias = FloatArray | csc_array

TOLERANCE = 1e-10
"""Largest element of the gradient at the optimum, for one vote."""
DENSE = 1500
"""Parameters up to which a dense matrix is the faster one."""
STEP = 1e-8
"""Largest change that Newton's method would still make at the optimum. Without it a contestant of
few votes on a board of many could stop short, and a likelihood that only flattens out, as its
parameters run away, would seem to have a maximum."""
_STEPS = 60
_HALVINGS = 40
_PIVOT = 1e-11
"""Of the information matrix, relative to the diagonal: below, a parameter is not identified."""


class NoMaximumError(Exception):
    """The likelihood has no maximum at finite values of the parameters, or not only one."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A log-likelihood in the parameters [strengths, side and styles, tie where it has one]."""

    size: int
    """Contestants."""
    rows: Rows
    ties: TieRule
    has_tie: bool
    """Whether `tie` is a parameter; without, it is minus infinity."""
    free: IntArray
    """Parameters that move; the others stay at zero (one of each group of contestants)."""

    @property
    def parameters(self) -> int:
        return self.size + self.rows.extras.shape[1] + self.has_tie

    def eta(self, theta: FloatArray) -> FloatArray:
        """[rows], the left's advantage."""
        rows, size = self.rows, self.size
        extras = rows.extras @ theta[size : size + rows.extras.shape[1]]
        return theta[rows.left] - theta[rows.right] + extras

    def outcomes(self, theta: FloatArray) -> Outcomes:
        return outcomes(self.ties, self.eta(theta), theta[-1] if self.has_tie else -np.inf)

    def value(self, theta: FloatArray) -> float:
        """Log-likelihood of the weighted votes."""
        return float((self._weighted * _finite(self.outcomes(theta).logp, self._weighted)).sum())

    def gradient(self, at: Outcomes) -> FloatArray:
        """[parameters]"""
        by_eta = (self._weighted * at.d_eta).sum(axis=1)
        parts = [self._by_strength(by_eta), self.rows.extras.T @ by_eta]
        if self.has_tie:
            parts.append(np.array([(self._weighted * at.d_tie).sum()]))
        return np.concatenate(parts)

    def information(self, at: Outcomes) -> Information:
        """[parameters, parameters], minus the second derivatives; sparse for a large field."""
        rows, size = self.rows, self.size
        eta_eta = -(self._weighted * at.d_eta_eta).sum(axis=1)
        beside = [self._by_strength(eta_eta * z) for z in rows.extras.T]
        corner = (rows.extras.T * eta_eta) @ rows.extras
        if self.has_tie:
            eta_tie = -(self._weighted * at.d_eta_tie).sum(axis=1)
            beside.append(self._by_strength(eta_tie))
            column = (rows.extras.T @ eta_tie)[:, None]
            tie_tie = -(self._weighted * at.d_tie_tie).sum()
            corner = np.block([[corner, column], [column.T, np.array([[tie_tie]])]])
        side = np.stack(beside, axis=1) if beside else np.zeros((size, 0))
        if self.parameters <= DENSE:
            pairs = np.bincount(rows.left * size + rows.right, eta_eta, size * size)
            strengths = -(pairs.reshape(size, size) + pairs.reshape(size, size).T)
            strengths[np.diag_indices(size)] = -strengths.sum(axis=1)
            return np.block([[strengths, side], [side.T, corner]])
        indices = (
            np.concatenate([rows.left, rows.right, rows.left, rows.right]),
            np.concatenate([rows.left, rows.right, rows.right, rows.left]),
        )
        values = np.concatenate([eta_eta, eta_eta, -eta_eta, -eta_eta])
        strengths = coo_array((values, indices), shape=(size, size))
        if not side.shape[1]:
            return csc_array(strengths)
        return csc_array(block_array([[strengths, side], [side.T, corner]]))

    def _by_strength(self, per_row: FloatArray) -> FloatArray:
        """[contestants], the sum over rows on the left less that over rows on the right."""
        left = np.bincount(self.rows.left, per_row, self.size).astype(float)
        return left - np.bincount(self.rows.right, per_row, self.size)

    @property
    def _weighted(self) -> FloatArray:
        return self.rows.votes * self.rows.weight[:, None]


@dataclass(frozen=True, eq=False)
class Optimum:
    theta: FloatArray
    """[parameters]"""
    value: float
    """Log-likelihood."""
    gradient: float
    """Largest element, for one vote."""
    iterations: int
    solve: Callable[[FloatArray], FloatArray]
    """Multiplies [free, k] by the inverse of the information there."""


def maximise(problem: Problem, start: FloatArray | None = None) -> Optimum:
    """Raises NoMaximumError."""
    theta = np.zeros(problem.parameters) if start is None else start.copy()
    free = problem.free
    votes = max(1.0, float(problem.rows.votes.sum()))
    value = problem.value(theta)
    for iteration in range(_STEPS):
        at = problem.outcomes(theta)
        gradient = problem.gradient(at)[free]
        solve = factor(problem.information(at), free)
        largest = float(np.abs(gradient).max(initial=0.0)) / votes
        step = np.zeros_like(theta)
        step[free] = solve(gradient)
        if largest < TOLERANCE and np.abs(step).max(initial=0.0) < STEP:
            return Optimum(theta + step, value, largest, iteration, solve)
        theta, value = _along(problem, theta, step, value)
    raise NoMaximumError


def factor(information: Information, free: IntArray) -> Callable[[FloatArray], FloatArray]:
    """Solves with the free part of the information. Raises NoMaximumError where it is singular."""
    part = information[free][:, free]
    if not isinstance(part, np.ndarray):
        try:
            return cast(Callable[[FloatArray], FloatArray], splu(csc_array(part)).solve)
        except RuntimeError as error:
            raise NoMaximumError from error
    try:
        triangle, lower = cho_factor(part, lower=True)
    except LinAlgError as error:
        raise NoMaximumError from error
    if np.any(np.diag(triangle) ** 2 < _PIVOT * np.diag(part)):
        raise NoMaximumError
    return lambda b: cho_solve((triangle, lower), b)


def _along(
    problem: Problem, theta: FloatArray, step: FloatArray, value: float
) -> tuple[FloatArray, float]:
    """The longest of step, step / 2, step / 4, ... that does not lower the likelihood."""
    # Two sums of many terms differ by rounding where they are equal.
    slack = 1e-12 * abs(value)
    for halving in range(_HALVINGS):
        there = theta + step / 2**halving
        found = problem.value(there)
        if found >= value - slack:
            return there, found
    raise NoMaximumError


def _finite(logp: FloatArray, weighted: FloatArray) -> FloatArray:
    """Zero where an outcome has no vote, so that minus infinity times none is nothing."""
    return np.where(weighted > 0, logp, 0.0)
