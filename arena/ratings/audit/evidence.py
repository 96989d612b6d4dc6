"""What the probes look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.audit.sandwich import cluster_ratio, side_ratio
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.graph import Graph, graph
from rostra.arena.ratings.summary.mode import FloatArray, Mode, Problem, mode
from rostra.arena.ratings.summary.tiers import simultaneous_width

VOTER, WEEK = "voter", "week"
REPLICATIONS = 400
QUICK_REPLICATIONS = 100
MAX_NAMED = 5
MIN_VOTERS = 20
"""With fewer, cluster-robust standard errors are themselves too uncertain, and too small (Cameron
and Miller 2015, Journal of Human Resources 50, section VI)."""
MAX_RATIO = 1.15
"""Of standard errors. Beyond, intervals of independent votes are 15 % too narrow, so that those of
94 % hold the truth in 90 %."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """A posterior, and the votes behind it told apart by voter and by week where that is known."""

    posterior: Posterior
    by_voter: Board | None = None
    """With the factor `voter`; votes whose voter is unknown are not in it."""
    by_week: Board | None = None
    """With the factor `week`, levels in order of time; likewise."""
    replications: int = REPLICATIONS
    """Resamples and replicated data sets of each probe that uses them."""

    def __post_init__(self) -> None:
        rated = self.posterior.board
        for board in (self.by_voter, self.by_week):
            if board is None:
                continue
            if board.contestants != rated.contestants or not _within(board, rated):
                raise RatingsError(
                    f"the {board.num_votes:,} votes are not among the {rated.num_votes:,} that the "
                    "ratings were computed from; rate them anew, or audit the ratings without them"
                )

    @classmethod
    def of(cls, posterior: Posterior) -> Evidence:
        """With what the posterior's own board tells apart."""
        own = posterior.board
        return cls(
            posterior,
            by_voter=own if VOTER in own.factors else None,
            by_week=own if WEEK in own.factors else None,
        )

    @property
    def names(self) -> tuple[str, ...]:
        return self.posterior.contestants

    @cached_property
    def means(self) -> FloatArray:
        """[contestants], posterior means of the strengths, natural log odds."""
        return np.asarray(self.posterior.flat_strengths.mean(axis=0))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """[contestants], the strongest first."""
        return np.argsort(-self.means, kind="stable")

    @property
    def leader(self) -> str:
        return self.names[self.order[0]]

    @cached_property
    def mode(self) -> Mode:
        """Of the posterior's own model and votes."""
        return mode(Problem.of(self.posterior))

    @cached_property
    def voter_mode(self) -> Mode:
        """Of the votes by voter."""
        assert self.by_voter is not None
        return mode(Problem.of(self.posterior, self.by_voter))

    @cached_property
    def graph(self) -> Graph:
        return graph(self.posterior.board)

    @cached_property
    def cluster_ratio(self) -> float | None:
        """See `sandwich.cluster_ratio`, by voter; None where too few voters are known."""
        if self.by_voter is None:
            return None
        voters = self.by_voter.factors[VOTER]
        # Ties alone fit without any error, which a ratio of errors cannot be made of.
        if len(voters.levels) < MIN_VOTERS or not self.board_decides:
            return None
        return cluster_ratio(self.voter_mode, voters.codes, len(voters.levels))

    @property
    def board_decides(self) -> bool:
        """Whether any vote prefers one of the two."""
        return bool(self.posterior.board.table[:, [0, 2]].any())

    @cached_property
    def side_ratio(self) -> float | None:
        """The same of the side effect, whether the posterior's model has one or not."""
        if self.cluster_ratio is None:
            return None
        found = self.voter_mode
        if not found.problem.spec.side:
            found = mode(Problem.of(self.posterior, self.by_voter, side=True))
        assert self.by_voter is not None
        voters = self.by_voter.factors[VOTER]
        return side_ratio(found, voters.codes, len(voters.levels))

    @cached_property
    def widened(self) -> float:
        """By how much the posterior's spread is multiplied before anything counts as separated."""
        ratio = self.cluster_ratio
        return 1.0 if ratio is None or ratio <= MAX_RATIO else ratio

    @cached_property
    def strengths(self) -> FloatArray:
        """[draws, contestants], the posterior's, `widened` round their means."""
        draws = self.posterior.flat_strengths
        return draws if self.widened == 1 else self.means + self.widened * (draws - self.means)

    @cached_property
    def separated(self) -> NDArray[np.bool_]:
        """[contestants, contestants], the row above the column, as sure as all such claims are at
        once: what the order claims and the votes carry."""
        linked = self.posterior.linked
        width, sd = simultaneous_width(self.strengths, linked)
        ahead = self.means[:, None] - self.means[None, :]
        return np.asarray(linked & (ahead > width * sd) & (ahead > 0))

    def reversed_by(self, strengths: FloatArray) -> list[str]:
        """Claims in `separated` that `strengths` [contestants] contradict, as `first > second`."""
        against = self.separated & (strengths[:, None] < strengths[None, :])
        return [
            f"{self.names[i]} > {self.names[j]}" for i, j in zip(*np.nonzero(against), strict=True)
        ]


def _within(part: Board, whole: Board) -> bool:
    """Whether `part` has no vote that `whole` lacks, both of the same contestants."""
    size = len(whole.contestants)
    tables = []
    for board in (part, whole):
        table = np.zeros((size * size, board.table.shape[1]), dtype=np.int64)
        np.add.at(table, board.left * size + board.right, board.table)
        tables.append(table)
    return bool((tables[0] <= tables[1]).all())


def listed(names: list[str]) -> str:
    """At most `MAX_NAMED` of them, in words."""
    shown = names[:MAX_NAMED]
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    parts = [*shown, *more]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
