"""Whether intervals of ratings are right: over leagues simulated from a known truth.

    python -m benchmarks.ratings_calibration --save --label quiet

Two things are counted. Simulation-based calibration: truths drawn from the priors of a model must
lie anywhere among draws from its posterior, equally often (chi-square over 20 bins). Coverage: the
share of 94 % intervals that hold the truth, with their mean width, for the Bayesian engines, for
the sandwich and for the bootstrap on the same leagues; a contestant whose interval has no end, as
that of an undefeated one has by maximum likelihood, is counted as without.

Every league has its own seed and is kept in `--work` when it is done, so a run that was stopped
goes on, and one with more leagues adds to those there. `--first` begins at another seed, for
leagues beside those of a run whose folder is gone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chisquare

from benchmarks.ratings_intervals import INTERVALS, LEAGUES, MODELS, RANKS, held, ranks
from benchmarks.results import Row, add_output_options, report
from benchmarks.resumable import run_all

BINS = 20


class Task(NamedTuple):
    """One league, by one engine."""

    kind: str
    """`sbc` or `coverage`"""
    what: str
    by: str
    seed: int

    @property
    def series(self) -> tuple[str, str, str]:
        return self.kind, self.what, self.by


Done = dict[Task, dict[str, Any]]


def tasks(args: argparse.Namespace) -> list[Task]:
    found = []

    def add(kind: str, what: str, by: str, leagues: int) -> None:
        seeds = range(args.first, args.first + leagues)
        found.extend(Task(kind, what, by, seed) for seed in seeds)

    for model in args.models:
        add("sbc", model, "laplace", 0 if model == "voters" else args.sbc)
        add("sbc", model, "nuts", args.sbc_nuts)
    for league in LEAGUES:
        for method in INTERVALS:
            add(
                "coverage",
                league,
                method,
                args.coverage_nuts if method == "NUTS" else args.coverage,
            )
    # What is soon done first, and all series in step, so that a run cut short has some of each.
    return sorted(found, key=lambda task: (task.by.lower() == "nuts", task.seed))


def work(task: Task) -> dict[str, Any]:
    run = ranks if task.kind == "sbc" else held
    return run(task.what, task.by, task.seed)


def sbc_row(what: str, by: str, leagues: Sequence[dict[str, Any]]) -> Row:
    """The parameter furthest from uniform, and its p-value times the number of parameters."""
    tests = {}
    for name in leagues[0]["ranks"]:
        # Ranks 0 to RANKS in bins of equal width.
        places = [league["ranks"][name] * BINS // (RANKS + 1) for league in leagues]
        tests[name] = chisquare(np.bincount(places, minlength=BINS))
    worst = min(tests, key=lambda name: tests[name].pvalue)
    return {
        "what": what,
        "by": by,
        "leagues": len(leagues),
        "parameters": len(tests),
        "furthest": worst,
        "chi_square": float(tests[worst].statistic),
        "p_adjusted": min(1.0, float(tests[worst].pvalue) * len(tests)),
        "gave_way": float(np.mean([league["gave_way"] for league in leagues])),
        "p": {name: float(test.pvalue) for name, test in tests.items()},
    }


def coverage_row(what: str, by: str, leagues: Sequence[dict[str, Any]]) -> Row:
    given = np.array([league["given"] for league in leagues])
    inside = np.array([league["held"] for league in leagues])
    share = inside.sum() / given.sum()
    # Contestants of one league are not independent: the error is of sums over leagues.
    error = np.sqrt(((inside - share * given) ** 2).sum()) / given.sum()
    contestants = LEAGUES[what][0] * len(leagues)
    return {
        "what": what,
        "by": by,
        "leagues": len(leagues),
        "coverage": float(share),
        "error": float(error),
        "width_elo": float(sum(league["width"] for league in leagues) / given.sum()),
        "without": float(1 - given.sum() / contestants),
        "cpu_seconds": float(np.median([league["seconds"] for league in leagues])),
        "gave_way": float(np.mean([league["gave_way"] for league in leagues])),
    }


def rows(done: Done) -> list[Row]:
    series: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for task, result in done.items():
        series.setdefault(task.series, []).append(result)
    make = {"sbc": sbc_row, "coverage": coverage_row}
    found = [make[kind](what, by, leagues) for (kind, what, by), leagues in series.items()]
    return sorted(found, key=lambda row: ("coverage" in row, row["what"]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="MODEL"
    )
    parser.add_argument("--sbc", type=int, default=1000, help="leagues for each model")
    parser.add_argument("--sbc-nuts", type=int, default=200, help="likewise by NUTS")
    parser.add_argument("--coverage", type=int, default=1000, help="leagues for each board")
    parser.add_argument("--coverage-nuts", type=int, default=100, help="likewise by NUTS")
    parser.add_argument("--first", type=int, default=0, help="seed of the first league of each")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/calibration"))
    add_output_options(parser)
    args = parser.parse_args(arguments)
    done = run_all(tasks(args), work, args.work, args.processes)
    report(args, "ratings_calibration", rows(done))


if __name__ == "__main__":
    main()
