"""What prediction-powered inference takes and gives; see `prediction_powered`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rostra.arena.ratings.classical.matched import BothBad, Cluster
from rostra.arena.ratings.classical.outcomes import TieRule
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import ELO_PER_NAT, Anchor

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PoweredSettings:
    """Which likelihood people's votes have, and how verdicts correct it."""

    ties: TieRule = "davidson"
    side: bool = True
    """Whether the answer that people saw on the left has an advantage of its own."""
    both_bad: BothBad = "out"
    cluster: Cluster = "battle"
    """What is drawn independently; `question` where there are few questions with many battles."""
    power: float | None = None
    """How far verdicts are used, 0 to 1; None: as far as makes the variance least."""
    anchor: Anchor = field(default_factory=Anchor)

    def __post_init__(self) -> None:
        if self.ties not in ("davidson", "half"):
            raise RatingsError(
                f"ties {self.ties!r}: prediction-powered ratings take davidson or half, whose "
                "scores are linear in the outcome"
            )
        if self.power is not None and not 0 <= self.power <= 1:
            raise RatingsError(f"power {self.power} is not within 0 and 1")


@dataclass(frozen=True, eq=False)
class PredictionPowered:
    """Estimates in natural log odds; ratings on the Elo scale."""

    contestants: tuple[str, ...]
    settings: PoweredSettings
    strengths: FloatArray
    """[contestants], their mean is zero."""
    covariance: FloatArray
    """[contestants, contestants], of the strengths."""
    people_strengths: FloatArray
    """[contestants], by people's votes alone."""
    people_covariance: FloatArray
    coefficients: Mapping[str, float]
    """`side` and `tie`, where the model has them."""
    power: float
    votes: int
    """Of people."""
    paired: int
    """Of these, those that a verdict corrects."""
    verdicts: int
    """Battles with a verdict and no vote, that the means are of."""
    unused: int
    """Battles with a verdict that corrects nothing: of a kind that people did not vote on, or alone
    of its kind."""

    @cached_property
    def ratings(self) -> FloatArray:
        """[contestants], Elo."""
        return self._elo(self.strengths)

    @cached_property
    def people_ratings(self) -> FloatArray:
        """[contestants], Elo, by people's votes alone."""
        return self._elo(self.people_strengths)

    @property
    def se(self) -> FloatArray:
        """[contestants], Elo, of ratings against the field's mean."""
        return ELO_PER_NAT * np.sqrt(np.diag(self.covariance))

    @property
    def people_se(self) -> FloatArray:
        return ELO_PER_NAT * np.sqrt(np.diag(self.people_covariance))

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of the ratings, each [contestants]."""
        error = float(ndtri((1 + level) / 2)) * self.se
        return self.ratings - error, self.ratings + error

    def people_interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Likewise by people's votes alone."""
        error = float(ndtri((1 + level) / 2)) * self.people_se
        return self.people_ratings - error, self.people_ratings + error

    @property
    def worth(self) -> float:
        """Votes of people that would make intervals as narrow, for each vote there is."""
        return float(np.trace(self.people_covariance) / np.trace(self.covariance))

    def _elo(self, strengths: FloatArray) -> FloatArray:
        anchor = self.settings.anchor
        at = 0.0 if anchor.name is None else strengths[self.contestants.index(anchor.name)]
        return np.asarray(ELO_PER_NAT * (strengths - at) + anchor.rating)
