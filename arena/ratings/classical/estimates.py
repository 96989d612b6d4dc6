"""What the maximum of a likelihood tells: ratings, their standard errors and intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.rows import LikelihoodSettings
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import ELO_PER_NAT

FloatArray = NDArray[np.float64]
Kind = Literal["sandwich", "information"]


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
        error = ndtri((1 + level) / 2) * self._se(self._covariance(kind))
        lower, upper = self.ratings - error, self.ratings + error
        upper[self.place == 1], lower[self.place == -1] = np.inf, -np.inf
        return lower, upper

    def _covariance(self, kind: Kind) -> FloatArray:
        return self.sandwich if kind == "sandwich" else self.covariance

    def _se(self, covariance: FloatArray) -> FloatArray:
        size = len(self.contestants)
        variance = np.where(self.rated, np.diag(covariance)[:size], np.nan)
        return ELO_PER_NAT * np.sqrt(np.maximum(variance, 0))
