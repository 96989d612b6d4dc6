"""What one more vote would do to the ratings of the two that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rostra.arena.ratings.outcomes import log_outcome_probabilities

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

_COLUMNS = {"a": 0, "tie": 1, "b": 2}


@dataclass(frozen=True)
class OneVote:
    """A pair before a vote, and what the vote does."""

    superiority: float
    """Probability that the left is the stronger, before the vote."""
    left_shift: float
    """Elo points by which the vote moves the posterior mean of the left."""
    right_shift: float


def one_vote(posterior: Posterior, left: str, right: str, outcome: str) -> OneVote | None:
    """`outcome`: `a` for the left, `b`, `tie`, `both_bad`.

    The draws are weighted with the chance that each gives the outcome, which is Bayes' rule with
    the posterior as prior: the shift is a covariance over the draws, and as noisy as their number
    lets it be. "Both bad" does not bear on the order and moves nothing; nor does a tie in a model
    without ties. None where the posterior says nothing of the two: one is not in it, or no chain of
    votes links them.
    """
    names = posterior.contestants
    if left not in names or right not in names:
        return None
    i, j = posterior.index(left), posterior.index(right)
    if not posterior.linked[i, j]:
        return None
    strengths = posterior.flat_strengths
    superiority = float((strengths[:, i] > strengths[:, j]).mean())
    if outcome == "both_bad" or (outcome == "tie" and posterior.spec.ties == "bradley-terry"):
        return OneVote(superiority, 0.0, 0.0)
    eta = strengths[:, i] - strengths[:, j] + posterior.side.ravel()
    chances = log_outcome_probabilities(posterior.spec.ties, eta, posterior.tie.ravel())
    weights = np.exp(chances[:, _COLUMNS[outcome]])
    weights /= weights.sum()
    ratings = posterior.ratings.reshape(len(weights), -1)[:, [i, j]]
    left_shift, right_shift = (weights @ ratings - ratings.mean(axis=0)).tolist()
    return OneVote(superiority, left_shift, right_shift)
