"""How many more votes it would take to tell neighbours apart.

By the curvature of the likelihood at the posterior mean. A vote between two adds the Fisher
information I(eta) of the outcome about eta = theta_first - theta_second (Fisher 1925), averaged
over the two sides; so with `n` more votes between them the variance `v` of their difference falls
to v / (1 + n I v). Through the field, with votes spread evenly over all pairs, the posterior
precision of all strengths grows by the information of each pair, and n is found from its
eigenvalues. Two count as separated when the 94 % interval of their difference leaves out zero,
the two looked at alone.

It assumes that the posterior means are right, where they are only estimates, and that the rest of
the model is known as well as it will be. So about half of all boards would separate two with fewer
votes, and half need more: it is the order of magnitude of what is missing, and no promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import brentq
from scipy.special import ndtri

from rostra.arena.ratings.outcomes import log_outcome_probabilities
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.spec import Ties
from rostra.arena.ratings.summary.intervals import PROBABILITIES, FloatArray

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

WIDTH = float(ndtri(PROBABILITIES[-1]))
"""Half of a 94 % interval, in standard deviations."""
MOST = 1e9
"""Votes; whatever would take more is told as infinity."""
STEP = 1e-4
"""Natural log odds, of the numerical derivative."""


@dataclass(frozen=True)
class Separation:
    """Two neighbours in the order of the ratings. Votes are such that bear on the order."""

    higher: str
    lower: str
    lead: float
    """Posterior mean of the difference of their ratings, in Elo points."""
    p_ahead: float
    """Probability that the higher is the stronger."""
    separated: bool
    linked: bool
    """Whether any votes link the two; if not, nothing can be said of how many are needed."""
    direct: float
    """More votes needed if all are between the two; zero when separated, infinite when the means
    are equal, NaN when not linked."""
    through_field: float
    """Likewise, if votes are spread evenly over all pairs of the field."""


def separations(posterior: Posterior) -> tuple[Separation, ...]:
    """Each contestant and the next below it, from the highest rating down."""
    strengths = posterior.flat_strengths
    mean, covariance = strengths.mean(axis=0), np.cov(strengths, rowvar=False)
    side, tie = float(posterior.side.mean()), float(posterior.tie.mean())
    ahead = mean[:, None] - mean[None, :]
    known = information(posterior.spec.ties, ahead, side, tie)
    field = _FieldVotes(covariance, known)
    order = np.argsort(-mean, kind="stable")
    found = []
    for i, j in pairwise(order.tolist()):
        lead = float(ahead[i, j])
        variance = float(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        p_ahead = float((strengths[:, i] > strengths[:, j]).mean())
        separated = p_ahead >= PROBABILITIES[-1]
        direct = through_field = 0.0
        linked = bool(posterior.linked[i, j])
        if not linked:
            direct = through_field = np.nan
        elif not separated:
            wanted = (lead / WIDTH) ** 2
            direct = _capped((1 / wanted - 1 / variance) / known[i, j] if wanted else np.inf)
            through_field = field.needed(i, j, wanted)
        found.append(
            Separation(
                higher=posterior.contestants[i],
                lower=posterior.contestants[j],
                lead=ELO_PER_NAT * lead,
                p_ahead=p_ahead,
                separated=separated and linked,
                linked=linked,
                direct=direct,
                through_field=through_field,
            )
        )
    return tuple(found)


def information(ties: Ties, ahead: FloatArray, side: float, tie: float) -> FloatArray:
    """Fisher information of one vote about eta, the two standing on either side as often.

    `ahead`: difference of the strengths, of any shape. With Davidson's ties it is
    (P(left) + P(right) - (P(left) - P(right))^2) / 4.
    """

    def of(eta: FloatArray) -> FloatArray:
        above = log_outcome_probabilities(ties, eta + STEP, tie)
        below = log_outcome_probabilities(ties, eta - STEP, tie)
        chances = np.exp(log_outcome_probabilities(ties, eta, tie))
        possible = chances > 0
        slopes = np.subtract(above, below, out=np.zeros_like(above), where=possible) / (2 * STEP)
        return np.asarray((chances * slopes**2).sum(axis=-1))

    return (of(ahead + side) + of(-ahead + side)) / 2


class _FieldVotes:
    """Variances of differences as votes over all pairs come in, as many on each pair."""

    def __init__(self, covariance: FloatArray, known: FloatArray) -> None:
        size = len(covariance)
        per_vote = -known / (size * (size - 1) / 2)
        np.fill_diagonal(per_vote, 0)
        np.fill_diagonal(per_vote, -per_vote.sum(axis=1))
        # Strengths sum to zero: everything happens in the space of differences.
        basis = null_space(np.ones((1, size)))
        scale, directions = np.linalg.eigh(basis.T @ covariance @ basis)
        root = basis @ directions * np.sqrt(np.maximum(scale, 0))
        self._gains, rotation = np.linalg.eigh(root.T @ per_vote @ root)
        self._root = root @ rotation

    def needed(self, i: int, j: int, wanted: float) -> float:
        """Votes until the difference of `i` and `j` has the variance `wanted`."""
        parts = (self._root[i] - self._root[j]) ** 2

        def excess(log_votes: float) -> float:
            return float((parts / (1 + np.exp(log_votes) * self._gains)).sum() - wanted)

        highest = np.log(MOST)
        if excess(-highest) <= 0:
            return 0.0
        return _capped(np.exp(brentq(excess, -highest, highest)) if excess(highest) < 0 else np.inf)


def _capped(votes: float) -> float:
    return float(np.clip(votes, 0, None)) if votes < MOST else float("inf")
