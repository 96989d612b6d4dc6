"""The posterior mode given the spread of the strengths: a fit in milliseconds.

For what has to be fitted many times over: without one voter, under another rule for ties, on half
of the weeks. It has the likelihood and the priors of the posterior that it stands in for, with the
spread of the strengths held at its posterior mean, so that it differs from a refit only in that
spread, and exists where the maximum of the likelihood does not: for an undefeated contestant, and
for groups that never met. Strengths are overall ones; levels, voters and covariates of ties, where
the posterior has them, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from rostra.arena.ratings import counting
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.outcomes import Outcomes, outcomes
from rostra.arena.ratings.models.values import judge_names
from rostra.arena.ratings.spec import ModelSpec

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TOLERANCE = 1e-9
"""Largest Newton step, natural log odds, at which a fit is done."""
MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class Problem:
    """Votes by cell and the model of them."""

    size: int
    """Contestants."""
    left: IntArray
    """[cells]"""
    right: IntArray
    """[cells]"""
    votes: FloatArray
    """[cells, 3]: left wins, ties, right wins."""
    columns: FloatArray
    """[cells, q], what else moves the odds: side, then style."""
    spec: ModelSpec
    scale: float
    """Prior standard deviation of the strengths."""
    judge_scale: float = 0.0
    """Likewise of judges' biases, whose columns come last."""

    @classmethod
    def of(cls, posterior: Posterior, board: Board | None = None, **changes: object) -> Problem:
        """Of the votes and the model of `posterior`.

        `board`: other votes of the same contestants; style that it lacks is left out of the model.
        `changes`: fields of its `ModelSpec`.
        """
        board = posterior.board if board is None else board
        style, own = (
            tuple(name for name in names if name in board.covariates)
            for names in (posterior.spec.style, posterior.spec.judge_style)
        )
        kept = {"style": style, "judge_style": own, **changes}
        spec = replace(posterior.spec, **kept)  # type: ignore[arg-type]
        board = board.by(*board.factors, covariates=(*spec.style, *spec.judge_style))
        side = np.ones((len(board.left), int(spec.side)))
        traits = [board.covariates[name][:, None] for name in spec.style]
        theirs = _of_judges(board, posterior.spec)
        return cls(
            size=len(board.contestants),
            left=board.left,
            right=board.right,
            votes=counting.votes(board, spec).astype(float),
            columns=np.hstack([side, *traits, theirs]),
            judge_scale=float(posterior.draws.get("judge_scale", np.zeros(1)).mean()),
            spec=spec,
            scale=float(posterior.draws["scale"].mean())
            if "scale" in posterior.draws
            else spec.priors.scale_median,
        )

    @property
    def _judged(self) -> int:
        """Columns of judges' biases."""
        return self.columns.shape[1] - int(self.spec.side) - len(self.spec.style)

    def with_votes(self, votes: FloatArray) -> Problem:
        """The same cells with other votes [cells, 3]."""
        return replace(self, votes=votes)

    @cached_property
    def precision(self) -> FloatArray:
        """[parameters], of the prior: strengths, columns, the tie parameter."""
        priors = self.spec.priors
        sds = [
            *[self.scale] * self.size,
            *[priors.side_sd] * self.spec.side,
            *[priors.style_sd] * len(self.spec.style),
            *[self.judge_scale] * self._judged,
            priors.tie_sd,
        ]
        return np.array(sds) ** -2.0

    def eta(self, at: FloatArray) -> FloatArray:
        """[cells] at parameters [parameters]."""
        return at[self.left] - at[self.right] + self.columns @ at[self.size : -1]


@dataclass(frozen=True, eq=False)
class Mode:
    """Where the posterior is highest, and how sharply it falls off."""

    problem: Problem
    parameters: FloatArray
    """[parameters]: strengths, side and style as the model has them, the tie parameter."""
    covariance: FloatArray
    """[parameters, parameters], inverse of the curvature."""

    @property
    def strengths(self) -> FloatArray:
        """[contestants], natural log odds; they sum to zero."""
        return self.parameters[: self.problem.size]

    @property
    def order(self) -> IntArray:
        """[contestants], the strongest first."""
        return np.argsort(-self.strengths, kind="stable")

    @property
    def side(self) -> float:
        """Log odds in favour of the left answer; zero in a model without."""
        return float(self.parameters[self.problem.size]) if self.problem.spec.side else 0.0

    @cached_property
    def scores(self) -> FloatArray:
        """[cells, 3, 2], derivatives by eta and by the tie parameter of the log probability of one
        vote of each outcome."""
        d = _outcomes(self.problem, self.parameters)
        return np.stack([d.d_eta, d.d_tie], axis=-1)

    def effects(self, direction: FloatArray) -> FloatArray:
        """[cells, 3], by how much one more vote moves `direction` [parameters] of the parameters.

        To first order: the influence function of the vote (Hampel 1974, JASA 69; Broderick,
        Giordano and Meager 2020, arXiv 2011.14999). A vote taken out moves it the other way.
        """
        pull, problem = self.covariance @ direction, self.problem
        by_eta = problem.eta(pull)
        return np.asarray(self.scores[..., 0] * by_eta[:, None] + self.scores[..., 1] * pull[-1])

    def gradients(
        self, groups: IntArray, number: int, votes: FloatArray | None = None
    ) -> csr_array:
        """[number, parameters], derivative of the log likelihood of the votes of each group.

        `groups`: [cells], the group of each cell. `votes`: [cells, 3]; default: those of the fit.
        """
        problem = self.problem
        votes = problem.votes if votes is None else votes
        by_eta = (self.scores[..., 0] * votes).sum(axis=1)
        by_tie = (self.scores[..., 1] * votes).sum(axis=1)
        width = problem.columns.shape[1]
        values = [by_eta, -by_eta, *(problem.columns * by_eta[:, None]).T, by_tie]
        extras = (np.full(len(groups), problem.size + i) for i in range(width + 1))
        columns = [problem.left, problem.right, *extras]
        return coo_array(
            (np.concatenate(values), (np.tile(groups, len(values)), np.concatenate(columns))),
            shape=(number, len(self.parameters)),
        ).tocsr()

    def resampled(self, counts: FloatArray | IntArray) -> FloatArray:
        """[samples, parameters], to first order, under other votes `counts` [samples, cells, 3].

        The infinitesimal jackknife (Giordano, Stephenson, Liu, Jordan and Broderick 2019, A Swiss
        Army infinitesimal jackknife, AISTATS).
        """
        problem = self.problem
        change = counts - problem.votes
        by_eta = (change * self.scores[..., 0]).sum(axis=2)
        by_tie = (change * self.scores[..., 1]).sum(axis=(1, 2))
        cells = np.arange(len(problem.left))
        ones = np.ones(len(cells))
        met = coo_array(
            (
                np.concatenate([ones, -ones]),
                (np.tile(cells, 2), np.concatenate([problem.left, problem.right])),
            ),
            shape=(len(cells), problem.size),
        ).tocsr()
        gradient = np.column_stack([by_eta @ met, by_eta @ problem.columns, by_tie])
        return np.asarray(self.parameters + gradient @ self.covariance)


def _of_judges(board: Board, spec: ModelSpec) -> FloatArray:
    """[cells, biases of judges], by how much more than people's each moves a verdict in the model
    `spec`; no columns where the votes do not tell judges apart. Weights and tastes are left out."""
    if spec.structure != "judges" or spec.factor is None or spec.factor not in board.factors:
        return np.zeros((len(board.left), 0))
    levels = board.factors[spec.factor].levels
    codes = board.factors[spec.factor].codes
    x = [
        np.ones(len(codes)) if name == "side" else board.covariates[name]
        for name in spec.judge_biases
        if name == "side" or name in board.covariates
    ]
    columns = [
        (codes == levels.index(judge)) * values for judge in judge_names(levels) for values in x
    ]
    return np.column_stack(columns) if columns else np.zeros((len(codes), 0))


def mode(problem: Problem, start: FloatArray | None = None) -> Mode:
    """By Newton's method with halved steps.

    `start`: [parameters], where to begin; a near one saves steps.
    """
    at = np.zeros(len(problem.precision)) if start is None else start.copy()
    value, gradient, curvature = _expand(problem, at)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while True:
            trial = at + size * step
            new_value, new_gradient, new_curvature = _expand(problem, trial)
            # Rounding of a sum over all votes is no reason to halve.
            if new_value >= value - 1e-10 * abs(value) or size < 1e-6:
                break
            size /= 2
        at, value, gradient, curvature = trial, new_value, new_gradient, new_curvature
        if size * np.abs(step).max() < TOLERANCE:
            break
    return Mode(problem, at, np.asarray(np.linalg.inv(curvature), dtype=float))


def _expand(problem: Problem, at: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Log posterior, its gradient and its curvature with the sign turned."""
    size, left, right, extra = problem.size, problem.left, problem.right, problem.columns
    votes, d = problem.votes, _outcomes(problem, at)
    by_eta, by_eta_eta, by_eta_tie = (
        (votes * values).sum(axis=1) for values in (d.d_eta, -d.d_eta_eta, -d.d_eta_tie)
    )

    def net(weights: FloatArray) -> FloatArray:
        """[contestants], added where it stood on the left, taken off where on the right."""
        added = np.bincount(left, weights, minlength=size)
        return np.asarray(added - np.bincount(right, weights, minlength=size))

    gradient = -problem.precision * at
    gradient[:size] += net(by_eta)
    gradient[size:-1] += extra.T @ by_eta
    gradient[-1] += (votes * d.d_tie).sum()
    curvature = np.zeros((len(at), len(at)))
    both = np.bincount(left * size + right, by_eta_eta, minlength=size * size).reshape(size, size)
    both += both.T
    curvature[:size, :size] = np.diag(both.sum(axis=1)) - both
    for column in range(extra.shape[1]):
        weights = net(by_eta_eta * extra[:, column])
        curvature[:size, size + column] = curvature[size + column, :size] = weights
    curvature[:size, -1] = curvature[-1, :size] = net(by_eta_tie)
    curvature[size:-1, size:-1] = extra.T @ (by_eta_eta[:, None] * extra)
    curvature[size:-1, -1] = curvature[-1, size:-1] = extra.T @ by_eta_tie
    curvature[-1, -1] = -(votes * d.d_tie_tie).sum()
    curvature[np.diag_indices(len(at))] += problem.precision
    value = float((votes * d.logp).sum() - problem.precision @ at**2 / 2)
    return value, gradient, curvature


def _outcomes(problem: Problem, at: FloatArray) -> Outcomes:
    ties = problem.spec.ties
    return outcomes("half" if ties == "bradley-terry" else ties, problem.eta(at), float(at[-1]))
