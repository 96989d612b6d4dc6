"""Votes with a planted defect, or none, and the posterior they have to normal order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from ratings_boards import made_up_posterior, names

from rostra.arena.ratings.audit import Evidence
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.summary.mode import Problem, mode

IntArray = NDArray[np.int64]
WEEKS = tuple(f"2026-{month:02d}-{day:02d}" for month, day in ((9, 7), (9, 14), (9, 21), (9, 28)))


@dataclass(frozen=True, eq=False)
class Votes:
    """One entry for each vote."""

    size: int
    left: IntArray
    right: IntArray
    outcome: IntArray
    """Index into `OUTCOMES`."""
    voter: IntArray
    week: IntArray

    def where(self, kept: NDArray[np.bool_]) -> Votes:
        columns = ("left", "right", "outcome", "voter", "week")
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})

    def board(self, *factors: str) -> Board:
        codes = {"voter": self.voter, "week": self.week}
        levels = {
            "voter": tuple(f"v{i:04d}" for i in range(int(self.voter.max()) + 1)),
            "week": WEEKS,
        }
        return Board.of(
            names(self.size),
            self.left,
            self.right,
            np.eye(4, dtype=np.int64)[self.outcome],
            {name: Factor(levels[name], codes[name]) for name in factors},
        )

    def evidence(self, spec: ModelSpec | None = None, replications: int = 100) -> Evidence:
        return Evidence(
            normal_posterior(self.board(), spec or ModelSpec()),
            by_voter=self.board("voter"),
            by_week=self.board("week"),
            replications=replications,
        )


@dataclass
class League:
    """How votes come about. As it stands nothing is wrong with them."""

    strengths: NDArray[np.float64] = field(default_factory=lambda: np.linspace(1, -1, 6))
    votes: int = 6000
    side: float = 0.0
    tie: float = -1.5
    voters: int = 150
    taste: float = 0.0
    """Standard deviation of a voter's own opinion of each contestant."""
    habit: float = 0.0
    """Standard deviation of a voter's own preference for the left."""
    change: tuple[int, float] | None = None
    """From the third week on, this contestant is so much stronger."""
    cycle: float = 0.0
    """The first five beat each other in a circle, by so much."""
    left_share: tuple[int, float] | None = None
    """So often this contestant stands on the left."""
    weights: NDArray[np.float64] | None = None
    """How often each contestant is drawn; default: all alike."""
    heavy: tuple[float, int, float] | None = None
    """One voter casts this share, and prefers this contestant by so much."""
    hedged: tuple[int, float] | None = None
    """So much more often than by `tie`, in log odds, this contestant's votes are ties."""

    def draw(self, seed: int) -> Votes:
        rng = np.random.default_rng(seed)
        size, votes = len(self.strengths), self.votes
        keys = rng.exponential(size=(votes, size))
        if self.weights is not None:
            keys /= self.weights
        left, right = np.argsort(keys, axis=1)[:, :2].T
        # Drawn first or second is no side: with weights, the heavier come first more often.
        swap = rng.random(votes) < 0.5
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        if self.left_share is not None:
            who, share = self.left_share
            to_left = rng.random(votes) < share
            wrong = ((left == who) & ~to_left) | ((right == who) & to_left)
            left, right = np.where(wrong, right, left), np.where(wrong, left, right)
        voter = rng.integers(0, self.voters, votes)
        week = rng.integers(0, len(WEEKS), votes)
        opinion = self.taste * rng.normal(size=(self.voters, size))
        if self.heavy is not None:
            share, who, preference = self.heavy
            voter = np.where(rng.random(votes) < share, 0, voter)
            opinion[0] = 0.0
            opinion[0, who] = preference
        eta = self.strengths[left] - self.strengths[right] + self.side
        if self.cycle:
            step = (right - left) % 5
            eta = np.where(
                np.maximum(left, right) < 5, np.where(step <= 2, self.cycle, -self.cycle), eta
            )
        eta = eta + opinion[voter, left] - opinion[voter, right]
        if self.habit:
            eta = eta + self.habit * rng.normal(size=self.voters)[voter]
        if self.change is not None:
            who, by = self.change
            eta = eta + np.where(week >= 2, by * ((left == who).astype(float) - (right == who)), 0)
        tie = np.full(votes, self.tie)
        if self.hedged is not None:
            tie += self.hedged[1] * ((left == self.hedged[0]) | (right == self.hedged[0]))
        chances = np.cumsum(outcome_probabilities("davidson", eta, tie), axis=1)
        outcome = np.minimum((rng.random(votes)[:, None] > chances).sum(axis=1), 2)
        return Votes(size, left, right, outcome, voter, week)


def normal_posterior(board: Board, spec: ModelSpec, draws: int = 1000) -> Posterior:
    """The normal distribution at the mode, for a spread of strengths of 0.8."""
    template = made_up_posterior(np.zeros(2), draws=2)
    blank = replace(template, board=board, spec=spec, draws={"scale": np.full((1, 1), 0.8)})
    found = mode(Problem.of(blank))
    rng = np.random.default_rng(11)
    samples = rng.multivariate_normal(found.parameters, found.covariance, size=(2, draws))
    size = len(board.contestants)
    strengths = samples[..., :size]
    values = {
        "strength": strengths - strengths.mean(axis=-1, keepdims=True),
        "scale": np.full((2, draws), 0.8),
        "tie": samples[..., -1],
    }
    if spec.side:
        values["side"] = samples[..., size]
    return replace(blank, draws=values)
