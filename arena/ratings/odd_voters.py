"""Voters who do not vote as the others' ratings predict: a rank test of each of them.

For each voter, ratings are fitted to the votes of all others. These rank the voter's battles by how
clear they should have been, and the agreement of its votes with them is

    T = sum(x * sign(d) * rank|d|) / sum(rank|d|)

with d the predicted difference of strengths in a battle and x = 1, 0, -1 for a vote for the left, a
tie, a vote for the right: Wilcoxon's signed-rank statistic (1945, Biometrics Bulletin 1), where
votes stand for signs. It is 1 for a voter who always agrees, negative for one who votes against
what others see. Ranks, so that no single clear battle decides.

The null distribution is simulated: votes on the voter's own battles, on the sides they were shown
on, by the fitted model with its ties and side, at strengths drawn from their posterior given the
votes of the others. So ties make no voter odd, and neither do ratings that are not yet known. The
p-value is the probability of agreement as low as this or lower, by sequential Monte Carlo (Besag
and Clifford 1991, Biometrika 78), valid at any number of simulations. Benjamini and Hochberg (1995,
JRSS B 57) choose who is named: of those named, at most `rate` are expected to be honest.

Measured by `benchmarks/odd_voters.py` on 13 simulated boards of 120 honest voters each, with 5 to
200 votes, where 40 % or 67 % of all votes are ties: 4.9 % of voters have a p-value below 5 %, and 2
of 1,560 are named. FastChat's sequential test calls 10 % and 64 % of the same voters odd. Where a
quarter of the voters are odd, 6 % to 15 % of the random and 28 % to 42 % of the contrary ones are
named: with a few dozen votes a random voter can rarely be told from an honest one. Another
statistic hardly does better: the likelihood ratio of careless or contrary votes to honest ones,
which knows both kinds, the fitted probabilities and the ties. On 8 such boards it names 9 % and 2 %
of the random voters (40 % and 67 % of ties) where this one names 7 % and none, 15 and 8 of 24
contrary ones where this one names 16 and 5, and one honest voter of 720 where this one names none.

It assumes that honest voters share one order of the contestants. Voters with another taste, or
whose questions were of another kind, vote unlike the rest without a fault: a named voter is one to
look at, never one to throw out unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, rankdata

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.mode import Mode, Problem, mode

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MIN_VOTES = 5
"""That bear on the order; with fewer no agreement is low enough to tell anything."""
EXTREMES = 50
"""Simulations as extreme as the votes after which a p-value is known well enough."""
FIRST_BATCH = 256
LARGEST_BATCH = 4096
SIGNS = np.array([1.0, 0.0, -1.0])


@dataclass(frozen=True)
class VoterTest:
    """One voter against the ratings of the others."""

    voter: str
    votes: int
    """Votes that bear on the order."""
    agreement: float
    """T, from -1 to 1."""
    expected: float
    """Its mean for an honest voter on the same battles."""
    p_value: float
    """Probability that an honest voter agrees as little."""
    adjusted: float
    """Smallest `rate` at which the voter is named."""


@dataclass(frozen=True)
class OddVoters:
    """Every voter that can be tested, the oddest first."""

    tests: tuple[VoterTest, ...]
    """By ascending p-value."""
    untested: int
    """Voters with fewer than `MIN_VOTES` votes, or with fewer than the most that were wanted."""
    rate: float

    @property
    def named(self) -> tuple[VoterTest, ...]:
        """Those who are odd at the false discovery rate `rate`."""
        return tuple(test for test in self.tests if test.adjusted <= self.rate)


def odd_voters(
    posterior: Posterior,
    factor: str = "voter",
    rate: float = 0.05,
    simulations: int = 20_000,
    seed: int = 1,
    most: int | None = None,
) -> OddVoters:
    """Tests each voter of `posterior.board` by the model and the priors of `posterior`.

    `factor`: the factor of the board that names voters. `rate`: false discovery rate. Where the
    model has no ties of its own, Davidson's stand in. `simulations`: the most for one voter, so
    the smallest p-value is its reciprocal; most voters need far fewer. `most`: test no more voters
    than these, those with the most votes; None: all.

    Raises RatingsError when the votes do not carry `factor`, or `rate` or `simulations` make no
    test.
    """
    if not 0 < rate < 1 or simulations < EXTREMES:
        raise RatingsError(
            f"rate {rate} with {simulations} simulations: give a rate between 0 and 1 and at "
            f"least {EXTREMES} simulations"
        )
    ties = "davidson" if posterior.spec.ties == "bradley-terry" else posterior.spec.ties
    board = posterior.board.by(factor, covariates=posterior.spec.style)
    cells = Problem.of(posterior, board, ties=ties)
    voters = board.factors[factor]
    pooled, place = _pooled(cells)
    everybody = mode(pooled)
    rng = np.random.default_rng(seed)
    found: list[VoterTest] = []
    untested = 0
    numbers = np.bincount(voters.codes, cells.votes.sum(axis=1), minlength=len(voters.levels))
    wanted = np.zeros(len(numbers), dtype=bool)
    wanted[np.argsort(-numbers, kind="stable")[:most]] = True
    of_voter = np.split(
        np.argsort(voters.codes, kind="stable"),
        np.cumsum(np.bincount(voters.codes, minlength=len(voters.levels)))[:-1],
    )
    for at, (voter, mine) in enumerate(zip(voters.levels, of_voter, strict=True)):
        if numbers[at] < MIN_VOTES or not wanted[at]:
            untested += numbers[at] > 0
            continue
        others = pooled.votes.copy()
        np.subtract.at(others, place[mine], cells.votes[mine])
        without = mode(pooled.with_votes(others), start=everybody.parameters)
        found.append(_test(voter, _only(cells, mine), without, simulations, rng))
    if found:
        adjusted = false_discovery_control([test.p_value for test in found])
        found = [replace(test, adjusted=float(q)) for test, q in zip(found, adjusted, strict=True)]
    found.sort(key=lambda test: (test.p_value, test.agreement))
    return OddVoters(tuple(found), untested, rate)


def _pooled(cells: Problem) -> tuple[Problem, IntArray]:
    """The problem with voters not told apart, and [cells] where each cell is in it."""
    keys = np.column_stack([cells.left, cells.right, cells.columns])
    unique, place = np.unique(keys, axis=0, return_inverse=True)
    place = place.reshape(-1)
    votes = np.zeros((len(unique), cells.votes.shape[1]))
    np.add.at(votes, place, cells.votes)
    left, right = unique[:, :2].astype(np.int64).T
    return replace(cells, left=left, right=right, columns=unique[:, 2:], votes=votes), place


def _only(cells: Problem, mine: IntArray) -> Problem:
    """One voter's votes, a row each."""
    rows = np.repeat(mine, cells.votes[mine].sum(axis=1).astype(np.int64))
    single = np.repeat(
        np.tile(np.eye(3), (len(mine), 1)), cells.votes[mine].ravel().astype(np.int64), axis=0
    )
    return replace(
        cells,
        left=cells.left[rows],
        right=cells.right[rows],
        columns=cells.columns[rows],
        votes=single,
    )


def _test(
    voter: str, mine: Problem, without: Mode, simulations: int, rng: np.random.Generator
) -> VoterTest:
    difference = mine.eta(without.parameters) - without.side
    weights = np.sign(difference) * rankdata(np.abs(difference))
    weights /= np.abs(weights).sum() or 1.0
    agreement = float(weights @ (mine.votes @ SIGNS))
    root = np.linalg.cholesky(without.covariance)

    def simulated(number: int) -> FloatArray:
        """[number], the statistic of an honest voter on the same battles."""
        noise = rng.standard_normal((number, len(root)))
        drawn = without.parameters + noise @ root.T
        eta = drawn[:, mine.left] - drawn[:, mine.right]
        eta += drawn[:, mine.size : -1] @ mine.columns.T
        chance = outcome_probabilities(mine.spec.ties, eta, drawn[:, -1:])
        uniform = rng.random(eta.shape)
        vote = (uniform < chance[..., 0]).astype(float) - (uniform > 1 - chance[..., 2])
        return np.asarray(vote @ weights)

    p_value, expected = _p_value(simulated, agreement, simulations)
    return VoterTest(
        voter=voter,
        votes=len(mine.votes),
        agreement=agreement,
        expected=expected,
        p_value=p_value,
        adjusted=p_value,
    )


def _p_value(
    simulated: Callable[[int], FloatArray], observed: float, simulations: int
) -> tuple[float, float]:
    """Of agreement as low as `observed`, and the mean of the simulations.

    Besag and Clifford's: the share of extremes at the moment when there are `EXTREMES` of them, or
    with one added to both numbers when the simulations end before that.
    """
    extremes, done, total, batch = 0, 0, 0.0, FIRST_BATCH
    while done < simulations:
        values = simulated(min(batch, simulations - done))
        total += float(values.sum())
        # Sums of the same ranks in another order differ by rounding.
        low = np.cumsum(values <= observed + 1e-9)
        if extremes + low[-1] >= EXTREMES:
            last = int(np.searchsorted(low, EXTREMES - extremes)) + 1
            return EXTREMES / (done + last), total / (done + len(values))
        extremes, done = extremes + int(low[-1]), done + len(values)
        batch = min(2 * batch, LARGEST_BATCH)
    return (extremes + 1) / (done + 1), total / done
