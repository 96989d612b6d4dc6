"""What is believed of the strengths: a Gaussian, which each vote shrinks in one direction.

Strengths are in natural log odds. Given the side effect and the tie parameter, a vote on two
contestants bears on the difference of their strengths alone; what is known of that one number
changes, and what is known of all others follows by their covariance with it (assumed density
filtering, with Laplace's approximation in the one dimension).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.counting import votes
from rostra.arena.ratings.engines.laplace_likelihoods import derivatives
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.spec import ModelSpec, Priors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
"""Gauss and Hermite's, for the mean over a Gaussian."""
NEWTON_STEPS = 30
LONGEST_STEP = 2.0
"""In log odds: a first step from far off would overshoot."""


@dataclass(frozen=True)
class Beliefs:
    names: tuple[str, ...]
    mean: FloatArray
    """[names]"""
    covariance: FloatArray
    """[names, names]; may be singular, as strengths may be known to sum to zero."""
    side: float = 0.0
    """Advantage of the answer on the left."""
    tie: float = 0.0
    """Of `rostra.arena.ratings.outcomes`."""
    spec: ModelSpec = field(default_factory=ModelSpec)
    scale: float = Priors.scale_median
    """Spread of the strengths: what is believed of one that nobody has rated."""

    @classmethod
    def without_votes(cls, names: Sequence[str]) -> Beliefs:
        """All alike, as far apart as the ratings' prior says."""
        prior = Priors.scale_median**2 * np.eye(len(names))
        return cls(tuple(names), np.zeros(len(names)), prior)

    def on(self, names: Sequence[str]) -> Beliefs:
        """On these contestants, in this order; the unrated ones are drawn from the field."""
        places = [self.names.index(name) if name in self.names else -1 for name in names]
        known = np.flatnonzero(np.array(places) >= 0)
        rated = [places[at] for at in known]
        mean = np.zeros(len(names))
        mean[known] = self.mean[rated]
        covariance = self.scale**2 * np.eye(len(names))
        covariance[np.ix_(known, known)] = self.covariance[np.ix_(rated, rated)]
        return replace(self, names=tuple(names), mean=mean, covariance=covariance)

    def after(self, board: Board) -> Beliefs:
        """With the votes of `board` too. Votes on others than `names` are passed over."""
        mean, covariance = self.mean.copy(), self.covariance.copy()
        place = {name: at for at, name in enumerate(self.names)}
        own = [place.get(name, -1) for name in board.contestants]
        for left, right, counts in zip(
            board.left, board.right, votes(board, self.spec).astype(float), strict=True
        ):
            a, b = own[left], own[right]
            if a < 0 or b < 0 or not counts.any():
                continue
            shared = covariance[:, a] - covariance[:, b]
            variance = shared[a] - shared[b]
            before = mean[a] - mean[b]
            peak, information = self._peak(counts, before, variance)
            mean += shared * (peak - before) / variance
            factor = information / (1 + information * variance)
            covariance -= factor * np.outer(shared, shared)
        return replace(self, mean=mean, covariance=covariance)

    def _peak(self, counts: FloatArray, mean: float, variance: float) -> tuple[float, float]:
        """Mode of a difference that was N(mean, variance), given the votes, and their information
        there."""
        at, tie = mean, np.array([self.tie])
        information = 0.0
        for _ in range(NEWTON_STEPS):
            found = derivatives(self.spec.ties, counts[None], np.array([at + self.side]), tie)
            information = max(float(found.eta_eta[0]), 0.0)
            slope = float(found.eta[0]) - (at - mean) / variance
            step = slope / (information + 1 / variance)
            at += float(np.clip(step, -LONGEST_STEP, LONGEST_STEP))
            if abs(step) < 1e-8:
                break
        return at, information

    def variances(self, first: IntArray, second: IntArray) -> FloatArray:
        """[pairs], of the differences."""
        own = np.diag(self.covariance)
        found = own[first] + own[second] - 2 * self.covariance[first, second]
        return np.asarray(np.maximum(found, 1e-12))

    def information(self, first: IntArray, second: IntArray) -> FloatArray:
        """[pairs], Fisher information of one vote on the difference, in expectation: over what is
        believed of the difference, and over the sides."""
        spread = np.sqrt(self.variances(first, second))[:, None] * NODES
        difference = (self.mean[first] - self.mean[second])[:, None] + spread
        total = np.zeros(len(first))
        for side in (self.side, -self.side):
            eta = (difference + side).ravel()
            tie = np.full(len(eta), self.tie)
            # The information is linear in the votes, so that of the expected ones is expected.
            chances = outcome_probabilities(self.spec.ties, eta, tie)
            found = derivatives(self.spec.ties, chances, eta, tie).eta_eta
            total += found.reshape(difference.shape) @ WEIGHTS / WEIGHTS.sum() / 2
        return np.maximum(total, 0)
