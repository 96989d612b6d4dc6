"""The pair whose vote is expected to tell most of the order.

For each two contestants it is uncertain which is the stronger: with a difference N(m, v) and
z = m / sqrt(v), the entropy is that of a coin of Phi(z). A vote of information I on pair p shrinks
the variance of the difference of any pair q by I c_pq^2 / (1 + I v_p), c_pq the covariance of the
two differences. Phi(z) is a martingale, so the entropy is expected to fall by

    w_q I c_pq^2 / (1 + I v_p),     w_q = phi(z_q)^2 / (2 v_q Phi(z_q) Phi(-z_q))

to leading order; its sum over all q is the gain of p. With L the Laplacian of the graph weighted
by w and C the covariance of the strengths, sum_q w_q c_pq^2 = e_p' C L C e_p, so that all gains
take two products of matrices.

What is uncertain of an order that is already clear does not count. That is why it beats a rule
that shrinks the variance of strengths: on a board on which all have met equally often, no choice of
pairs makes those much smaller.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from scipy.special import log_ndtr

from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import snapshot
from rostra.arena.matchmaking.beliefs import Beliefs, FloatArray, IntArray
from rostra.arena.matchmaking.evidence import Votes
from rostra.arena.matchmaking.kept import MAX_AGE, Kept
from rostra.arena.matchmaking.lottery import Lottery
from rostra.arena.matchmaking.pair import Draw

logger = logging.getLogger(__name__)

SHARPNESS = 4.0
"""Power of the gains: a higher one is easier to foretell."""


class Informative:
    """Draws by the gains of the newest ratings and the votes since; without ratings, by the votes
    alone."""

    name = "informative"

    def __init__(
        self,
        contestants: Sequence[Contestant],
        rng: random.Random,
        ratings: Path,
        votes: Votes,
        exploration: float,
        max_age: float = MAX_AGE,
    ) -> None:
        """`ratings`: where they are published. `max_age`: seconds that votes may go unnoticed."""
        self._lottery = Lottery(contestants, rng)
        self._names = [each.name for each in contestants]
        self._directory = ratings
        self._votes = votes
        self._exploration = exploration
        self._snapshot: snapshot.Snapshot | None = None
        self._complaint = ""
        even = np.full(self._lottery.size, 1 / self._lottery.size)
        self._probabilities = Kept(self._read, even, max_age)

    def draw(self, among: Collection[str] | None = None) -> Draw:
        return self._lottery.draw(self._probabilities(), self.name, among)

    def _read(self) -> FloatArray:
        first, second = self._lottery.pairs
        gains = order_gains(self._beliefs(), first, second)
        return probabilities(gains, SHARPNESS, self._exploration)

    def _beliefs(self) -> Beliefs:
        try:
            self._snapshot = snapshot.newest(self._directory, self._snapshot)
            self._complaint = ""
        except ArenaError as error:
            # Those read before are still true.
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.warning("matchmaking goes without the newest ratings: %s", error)
        rated = self._snapshot
        if rated is None:
            beliefs, since = Beliefs.without_votes(self._names), None
        else:
            beliefs, since = rated.beliefs.on(self._names), rated.since
        board = self._votes(since)
        return beliefs if board is None else beliefs.after(board)


def order_gains(beliefs: Beliefs, first: IntArray, second: IntArray) -> FloatArray:
    """[pairs], nats of the entropy above that one vote is expected to take away.

    `first`, `second`: every unordered pair, by the places in `beliefs.names`.
    """
    variance = beliefs.variances(first, second)
    z = (beliefs.mean[first] - beliefs.mean[second]) / np.sqrt(variance)
    log_weight = -z * z - log_ndtr(z) - log_ndtr(-z)
    weight = np.exp(log_weight) / (4 * np.pi * variance)
    laplacian = np.zeros_like(beliefs.covariance)
    laplacian[first, second] = laplacian[second, first] = -weight
    laplacian[np.diag_indices_from(laplacian)] = -laplacian.sum(axis=1)
    told = beliefs.covariance @ laplacian @ beliefs.covariance
    own = np.diag(told)
    spread = np.maximum(own[first] + own[second] - 2 * told[first, second], 0)
    information = beliefs.information(first, second)
    return np.asarray(information * spread / (1 + information * variance))


def probabilities(gains: FloatArray, sharpness: float, exploration: float) -> FloatArray:
    """[pairs], proportional to gain ** sharpness, but for a share `exploration` that all pairs have
    alike; so that every pair has a chance, and none can be foretold."""
    size = len(gains)
    highest = gains.max()
    if not (np.isfinite(highest) and highest > 0):
        return np.full(size, 1 / size)
    powers = (gains / highest) ** sharpness
    return np.asarray(exploration / size + (1 - exploration) * powers / powers.sum())
