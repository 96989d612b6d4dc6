"""How few votes, taken away, would put another contestant first.

Which votes: those with the greatest influence on the lead over a rival, to first order (the
approximate maximum influence perturbation of Broderick, Giordano and Meager 2020, arXiv
2011.14999). How few: confirmed by a fit without them, not by the approximation, so that the number
told is one that does change the first rank. It bounds the smallest such number from above: another
choice of votes might need fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.summary.mode import FloatArray, Mode, Problem, mode

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

RIVALS = 3
"""Those that the first-order count says need the fewest votes are tried."""


@dataclass(frozen=True)
class Dropped:
    """So many votes of a kind."""

    left: str
    right: str
    outcome: str
    votes: int


@dataclass(frozen=True)
class Robustness:
    """The first rank without some of the votes."""

    leader: str
    rival: str | None
    """Who would be first instead; None when no choice of votes that was tried does it."""
    votes: int | None
    """How many votes it takes."""
    share: float | None
    """Of the votes that bear on the order."""
    predicted: int | None
    """How many the first-order approximation says."""
    dropped: tuple[Dropped, ...]
    """Which, the most numerous first."""


def robustness(posterior: Posterior, start: Mode | None = None) -> Robustness:
    """Of the first rank of `posterior`, by fits of `rostra.arena.ratings.summary.mode`.

    `start`: the mode of all its votes, where that is known already.
    """
    full = mode(Problem.of(posterior)) if start is None else start
    leader = int(full.order[0])
    total = full.problem.votes.sum()
    tries = [_Removal(full, leader, int(rival)) for rival in full.order[1:]]
    tries = sorted((t for t in tries if t.predicted is not None), key=lambda t: t.predicted or 0)
    found: tuple[int, int, NDArray[np.int64]] | None = None
    for attempt in tries[:RIVALS]:
        most = None if found is None else found[0] - 1
        result = attempt.fewest(most)
        if result is not None:
            found = result
    names = posterior.contestants
    if found is None:
        return Robustness(names[leader], None, None, None, None, ())
    votes, rival, taken = found
    return Robustness(
        leader=names[leader],
        rival=names[rival],
        votes=votes,
        share=votes / float(total),
        predicted=tries[0].predicted,
        dropped=_kinds(full.problem, names, taken),
    )


class _Removal:
    """Votes in the order of their influence on the lead of one contestant over another."""

    def __init__(self, full: Mode, leader: int, rival: int) -> None:
        self._full, self._leader = full, leader
        direction = np.zeros(len(full.parameters))
        direction[leader], direction[rival] = 1.0, -1.0
        effects = full.effects(direction).ravel()
        votes = np.floor(full.problem.votes).astype(np.int64).ravel()
        helpful = np.flatnonzero((effects > 0) & (votes > 0))
        self._kinds = helpful[np.argsort(-effects[helpful], kind="stable")]
        self._cumulated = np.cumsum(votes[self._kinds])
        moved = np.cumsum(votes[self._kinds] * effects[self._kinds])
        gap = float(full.parameters @ direction)
        at = int(np.searchsorted(moved, gap))
        self.predicted: int | None = None
        """Votes whose removal closes the gap to first order; None if all of them do not."""
        if at < len(moved):
            before = int(self._cumulated[at - 1]) if at else 0
            rest = gap - (moved[at - 1] if at else 0.0)
            self.predicted = before + max(1, int(np.ceil(rest / effects[self._kinds[at]])))

    def fewest(self, most: int | None) -> tuple[int, int, NDArray[np.int64]] | None:
        """The least number, up to `most`, in this order, that a fit confirms; who is first then,
        and the votes taken [cells * 3].

        By doubling from the predicted number and bisection: fewer of the same order that also do
        it are passed over only if more of them do not.
        """
        assert self.predicted is not None
        limit = int(self._cumulated[-1]) if most is None else min(most, int(self._cumulated[-1]))
        high, low = min(self.predicted, limit), 0
        while self._first(high) == self._leader:
            if high >= limit:
                return None
            low, high = high, min(limit, high + max(1, high // 4))
        while high - low > 1:
            middle = (low + high) // 2
            if self._first(middle) == self._leader:
                low = middle
            else:
                high = middle
        return high, self._first(high), self._taken(high)

    def _taken(self, number: int) -> NDArray[np.int64]:
        taken = np.zeros(self._full.problem.votes.size, dtype=np.int64)
        taken[self._kinds] = np.diff(np.minimum(self._cumulated, number), prepend=0)
        return taken

    def _first(self, number: int) -> int:
        """Who is first without the first `number` votes."""
        problem = self._full.problem
        left_over: FloatArray = problem.votes - self._taken(number).reshape(problem.votes.shape)
        return int(mode(problem.with_votes(left_over), self._full.parameters).order[0])


def _kinds(
    problem: Problem, names: tuple[str, ...], taken: NDArray[np.int64]
) -> tuple[Dropped, ...]:
    cells, outcomes = np.nonzero(taken.reshape(problem.votes.shape))
    kinds = [
        Dropped(
            names[problem.left[cell]],
            names[problem.right[cell]],
            OUTCOMES[outcome],
            int(taken[cell * problem.votes.shape[1] + outcome]),
        )
        for cell, outcome in zip(cells, outcomes, strict=True)
    ]
    return tuple(sorted(kinds, key=lambda kind: -kind.votes))
