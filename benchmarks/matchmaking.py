"""How many votes a policy of matchmaking takes to know the order, and how well.

    python -m benchmarks.matchmaking --save --label quiet

Leagues with strengths drawn from a published board are played by each policy, all on the same
leagues. On a *fresh* board nobody has votes; on a *joined* one four fifths of the contestants have
met, and one fifth are new. Two things are asked of each: after how many votes is the mean of
Kendall's tau with the true order TAU, and after how many is the total width of the ratings' 94 %
intervals that which uniform pairs give with WIDTH_VOTES votes? Each as a share of what uniform
pairs take, with a 95 % interval by resampling leagues.

`least` is no policy: the least share with which any choice of pairs, made with the truth at hand,
gives that width on a fresh board. D-optimal and A-optimal draw by other gains than `informative`,
as it does.

Each league is kept in `--work` when it is done, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.matchmaking_leagues import Curve, draw_league, least_share, play, published
from benchmarks.results import Row, add_output_options, report
from benchmarks.resumable import run_all

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BOARD = Path("../shared/data/arena_20240329/leaderboard.csv")
TAU = 0.95
WIDTH_VOTES = 10_000
SCENARIOS = {
    "fresh": ("uniform", "variance", "informative", "D-optimal", "A-optimal"),
    "joined": ("uniform", "variance", "informative"),
}
RESAMPLES = 400
LEAST_LEAGUES = 10
POINTS = 40
"""Of each mean curve, kept with the results."""


class Task(NamedTuple):
    scenario: str
    policy: str
    contestants: int
    votes: int
    seed: int


Done = dict[Task, Curve]


def tasks(args: argparse.Namespace) -> list[Task]:
    """In step, so that a run cut short has as many leagues of each."""
    return [
        Task(scenario, policy, args.contestants, args.votes, seed)
        for seed in range(args.leagues)
        for scenario, policies in SCENARIOS.items()
        for policy in policies
    ]


def work(task: Task, board: Path) -> Curve:
    league = draw_league(published(board), task.scenario, task.contestants, task.seed)
    return play(league, task.policy, task.votes, task.seed)


def votes_at(votes: FloatArray, values: FloatArray, level: float) -> float:
    """When a noisy curve that ascends first reaches `level`; infinity when it does not."""
    reached = np.maximum.accumulate(values)
    if reached[-1] < level:
        return float("inf")
    at = int(np.argmax(reached >= level))
    near = slice(max(at - 1, 0), at + 1)
    return float(np.exp(np.interp(level, reached[near], np.log(votes[near]))))


class Series:
    """The curves of one policy in one scenario; `chosen` are leagues, by number, to take the mean
    of."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self.votes = np.array(curves[0].votes)
        self.tau = np.array([curve.tau for curve in curves])
        self.width = np.array([curve.width for curve in curves])

    def votes_to_order(self, chosen: IntArray) -> float:
        return votes_at(self.votes, self.tau[chosen].mean(axis=0), TAU)

    def votes_to_width_of(self, uniform: Series, chosen: IntArray) -> float:
        level = np.interp(WIDTH_VOTES, uniform.votes, uniform.width[chosen].mean(axis=0))
        return votes_at(self.votes, -self.width[chosen].mean(axis=0), -float(level))

    def curve(self, what: str) -> dict[str, list[float]]:
        """The mean of all leagues, thinned."""
        values = getattr(self, what).mean(axis=0)
        kept = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
        return {"votes": self.votes[kept].tolist(), what: np.round(values[kept], 4).tolist()}


def rows(done: Done) -> list[Row]:
    found: list[Row] = []
    for scenario, policies in SCENARIOS.items():
        series = {
            policy: Series(
                [curve for task, curve in done.items() if task[:2] == (scenario, policy)]
            )
            for policy in policies
        }
        uniform = series["uniform"]
        leagues = len(uniform.tau)
        chosen = np.random.default_rng(1).integers(leagues, size=(RESAMPLES, leagues))
        for policy, own in series.items():
            by_order = [
                (own.votes_to_order(sample), uniform.votes_to_order(sample))
                for sample in (np.arange(leagues), *chosen)
            ]
            by_width = [
                (own.votes_to_width_of(uniform, sample), WIDTH_VOTES)
                for sample in (np.arange(leagues), *chosen)
            ]
            head = {"peer": policy, "leagues": leagues}
            for what, taken, curve in (
                (f"tau {TAU}", by_order, "tau"),
                ("same width", by_width, "width"),
            ):
                told = {"what": f"{scenario} board, {what}", **head, **_shares(taken)}
                found.append({**told, "curve": own.curve(curve)})
    return sorted(found, key=lambda row: row["what"])


def _shares(taken: Sequence[tuple[float, float]]) -> Row:
    """Votes, and their share of uniform's: of all leagues, which come first, and over resamples.

    What was not reached within the votes played is left out.
    """
    (votes, base), *resampled = taken
    if not np.isfinite([votes, base]).all():
        return {}
    shares = [own / other for own, other in resampled if np.isfinite(other)]
    low, high = np.quantile(shares, (0.025, 0.975), method="nearest")
    ends = {"low": float(low), "high": float(high)}
    return {"votes": round(votes), "votes_of_uniform": votes / base} | {
        name: end for name, end in ends.items() if np.isfinite(end)
    }


def least_row(args: argparse.Namespace) -> Row:
    board = published(args.board)
    shares = [
        least_share(draw_league(board, "fresh", args.contestants, seed))
        for seed in range(min(LEAST_LEAGUES, args.leagues))
    ]
    return {
        "what": "fresh board, same width",
        "peer": "least",
        "leagues": len(shares),
        "votes_of_uniform": float(np.mean(shares)),
        "low": min(shares),
        "high": max(shares),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leagues", type=int, default=40)
    parser.add_argument("--contestants", type=int, default=25)
    parser.add_argument("--votes", type=int, default=60_000, help="of each league")
    parser.add_argument("--board", type=Path, default=BOARD, help="CSV with a column `rating`")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/matchmaking"))
    add_output_options(parser)
    args = parser.parse_args(arguments)
    found = run_all(tasks(args), partial(work, board=args.board), args.work, args.processes)
    done = {task: Curve(*curve) for task, curve in found.items()}
    report(args, "matchmaking", [*rows(done), least_row(args)])


if __name__ == "__main__":
    main()
