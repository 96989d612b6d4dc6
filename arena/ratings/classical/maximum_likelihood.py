"""Bradley and Terry's model, with ties by Davidson, by Rao and Kupper or as half wins, fitted by
maximum likelihood, with standard errors from the observed information and from the sandwich."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.estimates import MaximumLikelihood
from rostra.arena.ratings.classical.fitting import Fitted, fit_rows
from rostra.arena.ratings.classical.newton import Optimum
from rostra.arena.ratings.classical.notes import sentences, why_none
from rostra.arena.ratings.classical.outcomes import TieRule
from rostra.arena.ratings.classical.rows import LikelihoodSettings, Rows
from rostra.arena.ratings.classical.sandwich import meat_of_clusters, meat_of_votes

FloatArray = NDArray[np.float64]
_NOTHING = 1e-12
"""Mean square of a vote's score below which it is rounding."""


def maximum_likelihood(
    board: Board,
    settings: LikelihoodSettings = LikelihoodSettings(),  # noqa: B008 (frozen)
) -> MaximumLikelihood:
    """The estimates of `settings` from the votes of `board`.

    Raises RatingsError for a covariate or a factor that the board does not have, or an anchor that
    is no contestant.
    """
    settings.check_anchor(board)
    fitted = fit_rows(len(board.contestants), Rows.of(board, settings), settings.ties)
    return _result(board, settings, fitted)


def _result(board: Board, settings: LikelihoodSettings, fitted: Fitted) -> MaximumLikelihood:
    groups, problem, optimum = fitted.groups, fitted.problem, fitted.optimum
    size, votes = problem.size, problem.rows.votes
    names = (*board.contestants, *(("side",) if settings.side else ()), *settings.style)
    names += ("tie",) if problem.has_tie else ()
    theta = np.full(len(names), np.nan)
    covariance = sandwich = np.full((len(names), len(names)), np.nan)
    loglik = of_counts = deviance = np.nan
    if optimum is not None:
        theta, covariance, sandwich = _estimates(board, settings, fitted, optimum)
        loglik = optimum.value
        of_counts = loglik + float(
            (gammaln(votes.sum(axis=1) + 1)).sum() - gammaln(votes + 1).sum()
        )
        weighted = votes * problem.rows.weight[:, None]
        deviance = 2 * (_saturated(weighted, settings.ties) - loglik)
    coefficients = {name: float(theta[size + at]) for at, name in enumerate(names[size:])}
    if settings.ties != "half" and not problem.has_tie:
        coefficients["tie"] = -np.inf if votes.any() else np.nan
    members: list[list[str]] = [[] for _ in groups.size]
    for name, label in zip(board.contestants, groups.label, strict=True):
        members[label].append(name)
    no_maximum = None
    if optimum is None and groups.size.max(initial=1) > 1:
        no_maximum = why_none(problem, names)
    filled = int((votes.sum(axis=1) > 0).sum())
    return MaximumLikelihood(
        board=board,
        settings=settings,
        strengths=theta[:size],
        coefficients=coefficients,
        parameters=names,
        covariance=covariance,
        sandwich=sandwich,
        loglik=loglik,
        loglik_of_counts=of_counts,
        deviance=deviance,
        degrees_of_freedom=filled * (2 if problem.has_tie else 1) - len(problem.free),
        converged=optimum is not None,
        gradient=np.nan if optimum is None else optimum.gradient,
        iterations=0 if optimum is None else optimum.iterations,
        groups=tuple(map(tuple, members)),
        place=groups.place,
        why={name: no_maximum for main in members[:1] for name in main if no_maximum}
        | groups.why_not(board.contestants),
        notes=tuple(sentences(board, fitted, sandwich, no_maximum)),
    )


def _estimates(
    board: Board, settings: LikelihoodSettings, fitted: Fitted, optimum: Optimum
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Parameters, their covariance and the sandwich, strengths against their group's mean."""
    problem, groups = fitted.problem, fitted.groups
    inverse = np.zeros((problem.parameters, problem.parameters))
    inverse[np.ix_(problem.free, problem.free)] = optimum.solve(np.eye(len(problem.free)))
    if settings.cluster is None:
        meat = meat_of_votes(problem, problem.outcomes(optimum.theta))
    else:
        meat = _clustered(board, settings, fitted, optimum)
    theta, inverse = optimum.theta.copy(), groups.centred(inverse)
    theta[: problem.size] = groups.centred(theta[: problem.size])
    covariance = groups.centred(inverse.T)
    sandwich = inverse @ meat @ inverse.T
    # Votes that fit exactly, such as ties as halves alone, are no sign that nothing is uncertain.
    still = np.flatnonzero(np.diag(meat)[: problem.size] <= _NOTHING * groups.votes)
    sandwich[still, :] = sandwich[:, still] = np.nan
    alone = np.flatnonzero(groups.size[groups.label] == 1)
    theta[alone] = np.nan
    for matrix in (covariance, sandwich):
        matrix[alone, :] = matrix[:, alone] = np.nan
    return theta, covariance, sandwich


def _clustered(
    board: Board, settings: LikelihoodSettings, fitted: Fitted, optimum: Optimum
) -> FloatArray:
    """Rows again, with the clusters told apart."""
    assert settings.cluster is not None
    rows = Rows.of(board, settings, keep=(settings.cluster,))
    factor = board.by(settings.cluster, covariates=settings.style).factors[settings.cluster]
    label = fitted.groups.label
    inside = label[rows.left] == label[rows.right]
    problem = replace(fitted.problem, rows=rows.at(inside))
    at = problem.outcomes(optimum.theta)
    return meat_of_clusters(problem, at, factor.codes[inside], len(factor.levels))


def _saturated(votes: FloatArray, ties: TieRule) -> float:
    """Log-likelihood with each cell's own shares as probabilities."""
    if ties == "half":
        votes = votes[:, [0, 2]] + votes[:, [1]] / 2
    total = votes.sum(axis=1, keepdims=True)
    shares = np.divide(votes, total, out=np.zeros_like(votes), where=total > 0)
    return float(xlogy(votes, shares).sum())
