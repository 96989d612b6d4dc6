"""Leagues in which a policy of matchmaking chooses the pairs, and how well the order is known."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, norm

from rostra.arena.matchmaking import informative, variance
from rostra.arena.matchmaking.beliefs import Beliefs
from rostra.arena.ratings.engines.laplace_likelihoods import derivatives
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.spec import Priors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SIDE, TIE = 0.15, -0.3
"""Of the truth, natural log odds: those of published votes."""
EXPLORATION = 0.1
FEWEST, SHARE = 50, 0.04
"""Votes from one fit to the next: as many, or this share of those so far."""
WIDTH = 2 * norm.ppf(0.97)
"""Of a 94 % interval, in standard deviations."""


class League(NamedTuple):
    strengths: FloatArray
    """[contestants], natural log odds; those that join stand last."""
    joining: int
    """Contestants without votes at the start."""
    before: int
    """Votes among the others by then, on uniform pairs."""


class Curve(NamedTuple):
    """[moments] each."""

    votes: list[float]
    """Since the start of the policy."""
    tau: list[float]
    """Kendall's, of the posterior means with the truth."""
    width: list[float]
    """Sum of the widths of the ratings' 94 % intervals, in Elo."""


def published(path: Path) -> FloatArray:
    """Ratings of a published board, in natural log odds."""
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([float(row["rating"]) for row in csv.DictReader(file)]) / ELO_PER_NAT


def draw_league(board: FloatArray, scenario: str, contestants: int, seed: int) -> League:
    """Contestants drawn from a published board; `joined`: a fifth of them are new."""
    rng = np.random.default_rng([seed, 1])
    strengths = rng.choice(board, contestants, replace=False)
    joined = scenario == "joined"
    joining, before = (contestants // 5, 400 * contestants) if joined else (0, 0)
    return League(strengths - strengths.mean(), joining, before)


def play(league: League, policy: str, votes: int, seed: int) -> Curve:
    """`votes`: how many the policy has."""
    rng = np.random.default_rng([seed, 2])
    count = len(league.strengths)
    first, second = np.triu_indices(count, 1)
    fit = Fit(count)
    if league.before:
        old = second < count - league.joining
        _vote(rng, league, fit, first, second, old / old.sum(), league.before)
    curve, cast = Curve([], [], []), 0
    beliefs = fit.beliefs()
    while cast < votes:
        chances = _probabilities(policy, beliefs, fit, first, second)
        number = max(FEWEST, round(SHARE * cast))
        _vote(rng, league, fit, first, second, chances, number)
        cast += number
        beliefs = fit.beliefs()
        sd = np.sqrt(np.diag(beliefs.covariance))
        curve.votes.append(cast)
        curve.tau.append(float(kendalltau(beliefs.mean, league.strengths).statistic))
        curve.width.append(float(WIDTH * ELO_PER_NAT * sd.sum()))
    return curve


def _probabilities(
    policy: str, beliefs: Beliefs, fit: Fit, first: IntArray, second: IntArray
) -> FloatArray:
    if policy == "uniform":
        return np.full(len(first), 1 / len(first))
    if policy == "variance":
        return variance.probabilities(fit.outcomes(first, second), 0.0)
    if policy == "informative":
        gains = informative.order_gains(beliefs, first, second)
    else:
        gains = _design_gains(policy, beliefs, first, second)
    return informative.probabilities(gains, informative.SHARPNESS, EXPLORATION)


def _design_gains(policy: str, beliefs: Beliefs, first: IntArray, second: IntArray) -> FloatArray:
    """By how much one vote shrinks the determinant of the covariance, or its trace."""
    covariance = beliefs.covariance
    told = covariance if policy == "D-optimal" else covariance @ covariance
    own = np.diag(told)
    spread = own[first] + own[second] - 2 * told[first, second]
    information = beliefs.information(first, second)
    return information * spread / (1 + information * beliefs.variances(first, second))


def _vote(
    rng: np.random.Generator,
    league: League,
    fit: Fit,
    first: IntArray,
    second: IntArray,
    chances: FloatArray,
    number: int,
) -> None:
    pair = rng.choice(len(first), number, p=chances)
    turned = rng.random(number) < 0.5
    left = np.where(turned, second[pair], first[pair])
    right = np.where(turned, first[pair], second[pair])
    eta = league.strengths[left] - league.strengths[right] + SIDE
    edges = outcome_probabilities("davidson", eta, TIE).cumsum(axis=1)
    outcome = (rng.random(number)[:, None] > edges[:, :2]).sum(axis=1)
    np.add.at(fit.table, (left, right, outcome), 1)


class Fit:
    """Votes, and the Gaussian at the mode of their posterior under Davidson's model with a side
    effect, the scale of the strengths given; the mode before is where the search begins."""

    def __init__(self, count: int) -> None:
        self.table = np.zeros((count, count, 3))
        """[left, right, outcome]"""
        self._left, self._right = np.nonzero(~np.eye(count, dtype=bool))
        rows = np.arange(len(self._left))
        self._design = np.zeros((len(rows), count + 1))
        self._design[rows, self._left] = 1
        self._design[rows, self._right] = -1
        self._design[:, count] = 1
        prior = [*[Priors.scale_median] * count, Priors.side_sd, Priors.tie_sd]
        self._precision = np.array(prior) ** -2
        self._at = np.zeros(count + 2)

    def outcomes(self, first: IntArray, second: IntArray) -> FloatArray:
        """[pairs, 3]"""
        turned = self.table[second, first][:, ::-1]
        return np.asarray(self.table[first, second] + turned)

    def beliefs(self) -> Beliefs:
        votes = self.table[self._left, self._right]
        for _ in range(50):
            eta = self._design @ self._at[:-1]
            found = derivatives("davidson", votes, eta, np.full(len(eta), self._at[-1]))
            gradient = np.append(self._design.T @ found.eta, found.tie.sum())
            cross = self._design.T @ found.eta_tie
            hessian = np.block(
                [
                    [self._design.T @ (found.eta_eta[:, None] * self._design), cross[:, None]],
                    [cross[None], found.tie_tie.sum()],
                ]
            )
            hessian[np.diag_indices_from(hessian)] += self._precision
            step = np.linalg.solve(hessian, gradient - self._precision * self._at)
            self._at = self._at + step
            if np.abs(step).max() < 1e-4:
                break
        count = len(self.table)
        centred = np.eye(count) - 1 / count
        covariance = centred @ np.linalg.inv(hessian)[:count, :count] @ centred
        return Beliefs(
            tuple(map(str, range(count))),
            centred @ self._at[:count],
            covariance,
            side=float(self._at[count]),
            tie=float(self._at[count + 1]),
        )


def least_share(league: League, steps: int = 300) -> float:
    """The share of uniform's votes with which the best fixed choice of pairs, made with the truth
    at hand, gives the ratings the same total width: no policy can do with fewer in the long run.

    By the multiplicative algorithm of optimal design (Silvey, Titterington and Torsney 1978,
    Communications in Statistics A 7).
    """
    count = len(league.strengths)
    first, second = np.triu_indices(count, 1)
    known = Beliefs(
        tuple(map(str, range(count))),
        league.strengths,
        np.zeros((count, count)),
        side=SIDE,
        tie=TIE,
    )
    information = known.information(first, second)

    def covariance(weights: FloatArray) -> FloatArray:
        laplacian = np.zeros((count, count))
        laplacian[first, second] = laplacian[second, first] = -weights * information
        laplacian[np.diag_indices(count)] = -laplacian.sum(axis=1)
        # Its kernel is the vector of ones: what all strengths share is not to be known.
        return np.linalg.inv(laplacian + 1 / count) - 1 / count

    weights = np.full(len(first), 1 / len(first))
    even = np.sqrt(np.diag(covariance(weights))).sum()
    for _ in range(steps):
        found = covariance(weights)
        told = found @ (found / np.sqrt(np.diag(found))[:, None])
        own = np.diag(told)
        gains = information * (own[first] + own[second] - 2 * told[first, second])
        weights = weights * np.sqrt(gains / (weights @ gains))
        weights /= weights.sum()
    return float((np.sqrt(np.diag(covariance(weights))).sum() / even) ** 2)
