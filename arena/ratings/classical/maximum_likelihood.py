"""Bradley and Terry's model, with ties by Davidson, by Rao and Kupper or as half wins, fitted by
maximum likelihood, with standard errors from the observed information and from the sandwich."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.fitting import Fitted, fit_rows
from rostra.arena.ratings.classical.newton import Optimum
from rostra.arena.ratings.classical.notes import sentences, why_none
from rostra.arena.ratings.classical.outcomes import TieRule
from rostra.arena.ratings.classical.rows import BothBad, LikelihoodSettings, Rows
from rostra.arena.ratings.classical.sandwich import meat_of_clusters, meat_of_votes
from rostra.arena.ratings.classical.weighting import Weighting
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import ELO_PER_NAT, Anchor

FloatArray = NDArray[np.float64]
Kind = Literal["sandwich", "information"]
_NOTHING = 1e-12
"""Mean square of a vote's score below which it is rounding."""


@dataclass(frozen=True, eq=False)
class MaximumLikelihood:
    """The optimum, and what surrounds it. NaN stands where no estimate exists; `why` says why.

    Strengths, coefficients and covariances are in natural log odds, ratings and their standard
    errors on the Elo scale.
    """

    board: Board
    settings: LikelihoodSettings
    strengths: FloatArray
    """[contestants], each group's own mean being zero. NaN for a group of one."""
    coefficients: Mapping[str, float]
    """`side`, each style by its name, `tie` (see `rostra.arena.ratings.outcomes`), where the model
    has them. `tie` is minus infinity where no vote was one."""
    parameters: tuple[str, ...]
    """Contestants, then names of coefficients that are finite: rows and columns of covariances."""
    covariance: FloatArray
    """[parameters, parameters], inverse of the observed information, of strengths against the mean
    of their group."""
    sandwich: FloatArray
    """[parameters, parameters], the same without trust in the model."""
    loglik: float
    """Of the (weighted) votes in the order they came in."""
    loglik_of_counts: float
    """Of the counts of each cell: with its multinomial coefficient, as `glm` in R has it."""
    deviance: float
    """Twice what the log-likelihood falls short of one probability for each cell and outcome."""
    degrees_of_freedom: int
    """Of the deviance: cells times outcomes less one, less parameters."""
    converged: bool
    gradient: float
    """Largest element at the optimum, for one vote."""
    iterations: int
    groups: tuple[tuple[str, ...], ...]
    """Contestants who can be compared: within a group all differences are finite. The first is the
    main group, which has the ratings."""
    place: NDArray[np.int64]
    """[contestants]: 0 in the main group, 1 above it, -1 below it, 2 where votes do not tell."""
    why: Mapping[str, str]
    """By name, why a contestant has no rating."""
    notes: tuple[str, ...]
    """Sentences that a reader of the ratings needs; empty when all is well."""

    @property
    def contestants(self) -> tuple[str, ...]:
        return self.board.contestants

    @property
    def rated(self) -> NDArray[np.bool_]:
        """[contestants], who has a rating: the main group, when it has one."""
        return (self.place == 0) & np.isfinite(self.strengths)

    @cached_property
    def ratings(self) -> FloatArray:
        """[contestants], Elo scale; NaN outside the main group, which nothing sets against it.

        The anchor's mean is over those who have a rating. Raises RatingsError when the anchor is a
        contestant without one.
        """
        anchor = self.settings.anchor
        strengths = np.where(self.rated, self.strengths, np.nan)
        at = 0.0
        if anchor.name is not None:
            at = strengths[self.contestants.index(anchor.name)]
            if self.rated.any() and np.isnan(at):
                raise RatingsError(
                    f"{anchor.name!r} cannot be the anchor: {self.why.get(anchor.name)}"
                )
        return ELO_PER_NAT * (strengths - at) + anchor.rating

    @property
    def se(self) -> FloatArray:
        """[contestants], Elo, of ratings against the field's mean, by the observed information."""
        return self._se(self.covariance)

    @property
    def sandwich_se(self) -> FloatArray:
        """[contestants], Elo, of ratings against the field's mean, by the sandwich."""
        return self._se(self.sandwich)

    def coefficient_se(self, kind: Kind = "information") -> dict[str, float]:
        """By name; NaN where there is no estimate."""
        errors = dict(zip(self.parameters, np.sqrt(np.diag(self._covariance(kind))), strict=True))
        return {name: float(errors.get(name, np.nan)) for name in self.coefficients}

    def against(self, name: str, kind: Kind = "information") -> tuple[FloatArray, FloatArray]:
        """Differences of strength from `name`'s and their standard errors, each [contestants]."""
        if name not in self.contestants:
            raise RatingsError(f"{name!r} is not a contestant")
        size = len(self.contestants)
        at = self.contestants.index(name)
        covariance = self._covariance(kind)[:size, :size]
        spread = np.diag(covariance)
        (group,) = (set(group) for group in self.groups if name in group)
        same = np.array([other in group for other in self.contestants])
        variance = np.where(same, spread + spread[at] - 2 * covariance[at], np.nan)
        difference = np.where(same, self.strengths - self.strengths[at], np.nan)
        return difference, np.sqrt(np.maximum(variance, 0))

    def interval(
        self, level: float = 0.95, kind: Kind = "sandwich"
    ) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of ratings, each [contestants], by the normal approximation.

        Who is above the main group has its interval without an upper end, which is infinity, and
        a lower one that is not known: NaN; the reverse below it.
        """
        error = norm.ppf((1 + level) / 2) * self._se(self._covariance(kind))
        lower, upper = self.ratings - error, self.ratings + error
        upper[self.place == 1], lower[self.place == -1] = np.inf, -np.inf
        return lower, upper

    def _covariance(self, kind: Kind) -> FloatArray:
        return self.sandwich if kind == "sandwich" else self.covariance

    def _se(self, covariance: FloatArray) -> FloatArray:
        size = len(self.contestants)
        variance = np.where(self.rated, np.diag(covariance)[:size], np.nan)
        return ELO_PER_NAT * np.sqrt(np.maximum(variance, 0))


def maximum_likelihood(
    board: Board,
    *,
    ties: TieRule = "davidson",
    side: bool = True,
    both_bad: BothBad = "out",
    style: tuple[str, ...] = (),
    weighting: Weighting | None = None,
    cluster: str | None = None,
    anchor: Anchor = Anchor(),  # noqa: B008 (frozen)
) -> MaximumLikelihood:
    """The arguments are those of `LikelihoodSettings`.

    Raises RatingsError for a covariate or a factor that the board does not have, or an anchor that
    is no contestant.
    """
    settings = LikelihoodSettings(ties, side, both_bad, style, weighting, cluster, anchor)
    if anchor.name is not None and anchor.name not in board.contestants:
        raise RatingsError(f"the anchor {anchor.name!r} is not a contestant")
    fitted = fit_rows(len(board.contestants), Rows.of(board, settings), ties)
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
        why={name: no_maximum for name in members[0] if no_maximum}
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
