"""How often a test for odd voters names honest ones, and how many odd ones it finds.

    python -m benchmarks.odd_voters [--boards 40] [--ties 0.4 1.5] [--json FILE | --save]

Boards are drawn from a known truth: contestants with strengths of standard deviation 0.6, voters
with 5 to 200 votes each, in order of time, a side effect, and the propensity to tie asked for (0.4:
about two votes in five are ties; 1.5: two in three). Of the voters of a second set of boards some
vote at random and some for the other side. Three tests, and a bound, see the same boards:

rank            `rostra.arena.ratings.odd_voters`, those named at a false discovery rate of 5 %, and
                those with a p-value below 5 %
betting         what FastChat runs (fastchat/serve/monitor/elo_analysis.py): for each vote p is the
                share of the pair's decided votes that are at most (or at least) as good for the
                first of the two, a tie counting one half; a voter is odd when the product of
                1 / (2 p) passes 1 / 0.05 at any of the first 100 votes, on either side
fisher          what the paper on it describes (Chiang et al. 2024, arXiv 2403.04132): p with one
                added to both counts, -2 times the sum of its logarithm against the upper quantile
                of chi-square at 0.05 / 5, at five random numbers of votes up to 100
bound           what no test can pass: the likelihood ratio of the votes, of a voter of the kind
                that this one is to an honest one, all true probabilities known, with its exact
                distribution by simulation (Neyman and Pearson 1933, Philosophical Transactions A
                231: at a given level no test finds more); its p-values go the way of `rank`'s

Of the boards with odd voters, rank and the bound are told apart by the voter's number of votes too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, false_discovery_control

from benchmarks.results import Row, add_output_options, report
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.odd_voters import odd_voters
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import FitSettings

CONTESTANTS, VOTERS, SIDE = 20, 120, 0.2
ALPHA = 0.05
MAX_VOTES = 100
SIMULATIONS = 4000
"""Of the bound, for each voter."""
SIZES = ((5, 19), (20, 59), (60, 200))
"""Of voters, in votes, first and last."""
HONEST, CARELESS, CONTRARY = range(3)
Array = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class Votes:
    """Votes one by one, in order of time, with who is honest."""

    def __init__(self, rng: np.random.Generator, tie: float, kinds: Array) -> None:
        self.kinds = kinds
        each = np.round(np.exp(rng.uniform(np.log(5), np.log(200), len(kinds)))).astype(int)
        self.voter = rng.permutation(np.repeat(np.arange(len(kinds)), each))
        number = len(self.voter)
        strengths = rng.normal(0, 0.6, CONTESTANTS)
        self.left = rng.integers(0, CONTESTANTS, number)
        self.right = (self.left + rng.integers(1, CONTESTANTS, number)) % CONTESTANTS
        eta = strengths[self.left] - strengths[self.right] + SIDE
        chance = outcome_probabilities("davidson", eta, tie)
        # [kinds, votes, 3]
        self.chances = np.stack(
            [chance, np.broadcast_to(chance.mean(axis=0), chance.shape), chance[:, ::-1]]
        )
        chance = self.chances[kinds[self.voter], np.arange(number)]
        drawn = rng.random(number)[:, None] > chance.cumsum(axis=1)
        self.outcome = drawn.sum(axis=1).clip(max=2)

    def board(self) -> Board:
        table = np.zeros((len(self.outcome), 4), dtype=np.int64)
        table[np.arange(len(self.outcome)), self.outcome] = 1
        levels = tuple(f"v{voter:04d}" for voter in range(len(self.kinds)))
        contestants = [f"c{position:02d}" for position in range(CONTESTANTS)]
        voters = {"voter": Factor(levels, self.voter)}
        return Board.of(contestants, self.left, self.right, table, factors=voters)


def rank(votes: Votes, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    posterior = fit(votes.board(), FitSettings(engine="laplace"))
    found = odd_voters(posterior, rate=ALPHA, seed=int(rng.integers(2**31)))

    def marked(names: set[str]) -> NDArray[np.bool_]:
        return np.array([f"v{voter:04d}" in names for voter in range(len(votes.kinds))])

    return {
        "rank, named": marked({test.voter for test in found.named}),
        "rank, p < 0.05": marked({test.voter for test in found.tests if test.p_value < ALPHA}),
    }


def bound(votes: Votes, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    """What is attainable by who knows the truth, and what kind of voter to look for."""
    p_values = []
    for voter, kind in enumerate(votes.kinds):
        mine = np.flatnonzero(votes.voter == voter)
        honest = votes.chances[HONEST, mine]
        # An honest voter is suspected of voting at random.
        ratio = np.log(votes.chances[max(kind, CARELESS), mine] / honest)
        uniform = rng.random((SIMULATIONS, len(mine), 1))
        drawn = (uniform > honest.cumsum(axis=1)).sum(axis=2).clip(max=2)
        place = np.arange(len(mine))
        null = ratio[place, drawn].sum(axis=1)
        found = ratio[place, votes.outcome[mine]].sum()
        more = (null > found + 1e-9).sum()
        # At random among equals, which makes the level exact.
        equal = 1 + (np.abs(null - found) <= 1e-9).sum()
        p_values.append((more + rng.random() * equal) / (SIMULATIONS + 1))
    return {
        "bound, named": false_discovery_control(p_values) <= ALPHA,
        "bound, p < 0.05": np.array(p_values) < ALPHA,
    }


def by_history(votes: Votes, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    """The two tests that compare a vote with all votes on the same pair."""
    first = np.minimum(votes.left, votes.right)
    pair = first * CONTESTANTS + np.maximum(votes.left, votes.right)
    won = np.where(votes.left == first, 2 - votes.outcome, votes.outcome) / 2
    history = np.zeros((CONTESTANTS**2, 3))
    np.add.at(history, (pair, (2 * won).astype(int)), 1)
    lost, tied, best = history[pair].T
    # Only wins and losses are counted as history, and a tie is compared with them.
    decided = np.maximum(lost + best, 1)
    at_most = np.where(won == 1, lost + best, lost) / decided
    at_least = np.where(won == 0, lost + best, best) / decided
    with np.errstate(divide="ignore"):
        up, down = -np.log(2 * at_most), -np.log(2 * at_least)
    every = lost + tied + best
    below = np.choose((2 * won).astype(int), [lost, lost + tied, every])
    above = np.choose((2 * won).astype(int), [every, tied + best, best])
    log_p = np.log((1 + np.stack([below, above])) / (1 + every))

    def betting(mine: Array) -> bool:
        evidence = np.stack([up[mine], down[mine]])[:, :MAX_VOTES].cumsum(axis=1)
        return bool((evidence > np.log(1 / ALPHA)).any())

    def fisher(mine: Array) -> bool:
        looks = rng.integers(1, MAX_VOTES + 1, 5)
        looks = looks[looks <= len(mine)]
        statistic = -2 * log_p[:, mine[:MAX_VOTES]].cumsum(axis=1)
        limit = chi2.ppf(1 - ALPHA / 5, 2 * looks)
        return bool((statistic[:, looks - 1] >= limit).any())

    return {"betting": _each(votes, betting), "fisher": _each(votes, fisher)}


def _each(votes: Votes, odd: Callable[[Array], bool]) -> NDArray[np.bool_]:
    return np.array(
        [odd(np.flatnonzero(votes.voter == voter)) for voter in range(len(votes.kinds))]
    )


def measure(boards: int, tie: float, odd: bool, seed: int = 1) -> list[Row]:
    """The share of each kind of voter that each test calls odd, of all voters and by size."""
    rng = np.random.default_rng(seed)
    kinds = np.zeros(VOTERS, dtype=np.int64)
    if odd:
        kinds[: VOTERS // 5] = CARELESS
        kinds[VOTERS // 5 : VOTERS // 4] = CONTRARY
    called: dict[str, list[NDArray[np.bool_]]] = {}
    ties, sizes = [], []
    for _ in range(boards):
        votes = Votes(rng, tie, kinds)
        ties.append((votes.outcome == 1).mean())
        sizes.append(np.bincount(votes.voter, minlength=len(kinds)))
        tests = {**rank(votes, rng), **by_history(votes, rng), **bound(votes, rng)}
        for name, flags in tests.items():
            called.setdefault(name, []).append(flags)
    rows = []
    for name, flags in called.items():
        shares = np.array(flags)
        head: Row = {"test": name, "ties": round(float(np.mean(ties)), 3)}
        row = head | _shares(shares, np.ones_like(shares), kinds)
        if not odd:
            row["boards with one"] = round(float(shares.any(axis=1).mean()), 3)
        rows.append(row)
        if odd and name.startswith(("rank", "bound")):
            for least, most in SIZES:
                there = (np.array(sizes) >= least) & (np.array(sizes) <= most)
                rows.append(head | {"votes": f"{least} to {most}"} | _shares(shares, there, kinds))
    return rows


def _shares(flags: NDArray[np.bool_], of: NDArray[np.bool_], kinds: Array) -> Row:
    """[boards, voters] each: the share of `flags` among the voters `of`, by their kind."""
    return {
        name: round(float(flags[:, kinds == kind][of[:, kinds == kind]].mean()), 4)
        for kind, name in enumerate(("honest", "careless", "contrary"))
        if of[:, kinds == kind].any()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=40, help="of each sort")
    parser.add_argument("--ties", type=float, nargs="+", default=[0.4, 1.5], help="log nu")
    add_output_options(parser)
    args = parser.parse_args()
    rows = []
    for tie in args.ties:
        for odd in (False, True):
            rows += measure(args.boards, tie, odd)
    report(args, "odd_voters", rows)


if __name__ == "__main__":
    main()
