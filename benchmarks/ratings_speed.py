"""How long ratings take: from stored votes in a fresh process, and again in a living one.

Two boards: 50 contestants with 100,000 votes from a known truth, and 129 with 1.67 million real
votes, each a Parquet file with one row for each vote. Each engine has a process of its own, which
starts Python, imports, reads and reduces the votes, rates them, then rates as many votes of another
draw. `--cold` gives it an empty folder for compiled code, so that
the first fit compiles everything, as on a machine that has never rated.

    python -m benchmarks.ratings_speed
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.results import Row, add_output_options, report
from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import FitSettings

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
REAL_VOTES = SHARED_DATA / "arena_20240814" / "pairs.csv"
ENGINES = ("nuts", "laplace")
BOARDS = ("made", "real")


def made_board(rng: np.random.Generator, contestants: int = 50, votes: int = 100_000) -> Board:
    """Votes with ties, sides, and "both bad" by contestant, from strengths of spread 0.6."""
    strengths, bad = 0.6 * rng.normal(size=(2, contestants))
    left, right = np.nonzero(~np.eye(contestants, dtype=bool))
    met = rng.multinomial(votes, np.full(len(left), 1 / len(left)))
    poor = rng.binomial(met, 1 / (1 + np.exp(1.5 - bad[left] - bad[right])))
    eta = strengths[left] - strengths[right] + 0.1
    better = rng.multinomial(met - poor, outcome_probabilities("davidson", eta, -0.2))
    names = [f"c{position:02d}" for position in range(contestants)]
    return Board.of(names, left, right, np.column_stack([better, poor]))


def real_board() -> Board:
    """Pair counts, which do not tell sides: all of a pair's votes stand on one."""
    with REAL_VOTES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[side] for row in rows for side in ("model_a", "model_b")})
    index = {name: position for position, name in enumerate(names)}
    columns = ("win_a", "tie", "win_b", "both_bad")
    return Board.of(
        names,
        [index[row["model_a"]] for row in rows],
        [index[row["model_b"]] for row in rows],
        [[int(row[column]) for column in columns] for row in rows],
    )


def again(board: Board, rng: np.random.Generator) -> Board:
    """As many votes of each pair, drawn by the shares of its own."""
    totals = board.table.sum(axis=1)
    table = rng.multinomial(totals, board.table / totals[:, None])
    return Board.of(board.contestants, board.left, board.right, table)


def write_votes(board: Board, path: Path) -> None:
    """The board's votes in Parquet, one row for each, in random order."""
    import polars as pl

    cell, outcome = np.indices(board.table.shape).reshape(2, -1)
    count = board.table.reshape(-1)
    order = np.random.default_rng(2).permutation(board.num_votes)
    cell, outcome = (np.repeat(index, count)[order] for index in (cell, outcome))
    names = np.array(board.contestants)
    pl.DataFrame(
        {
            "left": names[board.left[cell]],
            "right": names[board.right[cell]],
            "outcome": np.array(OUTCOMES)[outcome],
        }
    ).write_parquet(path)


def rate(path: Path, settings: FitSettings) -> Row:
    """In the process that is measured: reads the clock before and after each fit."""
    start, cpu = time.perf_counter(), time.process_time()
    from rostra.arena.imports.board import read_board
    from rostra.arena.ratings.fit import fit
    from rostra.arena.ratings.reduce import Wanted

    board = read_board(path, Wanted()).board
    row: Row = {"contestants": len(board.contestants), "votes": board.num_votes}
    row["read s"] = time.perf_counter() - start
    row["read cpu s"] = time.process_time() - cpu
    for step, votes in (("first", board), ("refit", again(board, np.random.default_rng(1)))):
        start, cpu = time.perf_counter(), time.process_time()
        posterior = fit(votes, settings)
        row[f"{step} s"] = time.perf_counter() - start
        row[f"{step} cpu s"] = time.process_time() - cpu
    found = posterior.diagnostics
    row |= {"min bulk ESS": found.min_ess_bulk, "max R-hat": found.max_rhat}
    row |= {"divergences": found.divergences, "k-hat": found.pareto_k, "notes": list(found.notes)}
    return row


def measure(board: str, path: Path, engine: str, args: argparse.Namespace) -> Row:
    with _compiled_code(args.cold) as environment:
        start = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.ratings_speed", "--inside", str(path)),
                *("--engines", engine, "--draws", str(args.draws)),
                *(("--tune", str(args.tune)) if args.tune else ()),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        whole = time.perf_counter() - start
    row: Row = json.loads(done.stdout.splitlines()[-1])
    fresh = whole - row["refit s"]
    return {"board": board, "engine": engine, "fresh process s": fresh, **row}


@contextmanager
def _compiled_code(cold: bool) -> Iterator[dict[str, str]]:
    """The environment of a process, with folders of its own for compiled code if `cold`."""
    if not cold:
        yield dict(os.environ)
        return
    with tempfile.TemporaryDirectory() as folder:
        flags = f"base_compiledir={folder}/pytensor"
        yield {**os.environ, "NUMBA_CACHE_DIR": f"{folder}/numba", "PYTENSOR_FLAGS": flags}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=list(BOARDS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--draws", type=int, default=FitSettings.draws)
    parser.add_argument("--tune", type=int, help="default: what the model needs")
    parser.add_argument("--repeats", type=int, default=1, help="a row for each")
    parser.add_argument("--cold", action="store_true", help="nothing compiled yet")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    add_output_options(parser)
    args = parser.parse_args()
    if args.inside:
        settings = FitSettings(draws=args.draws, tune=args.tune, engine=args.engines[0])
        print(json.dumps(rate(args.inside, settings)))
        return
    del args.inside
    if "real" in args.boards and not REAL_VOTES.is_file():
        parser.error(f"{REAL_VOTES} is missing; take --boards made")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.boards:
            path = Path(folder) / f"{name}.parquet"
            write_votes(
                made_board(np.random.default_rng(1)) if name == "made" else real_board(), path
            )
            for engine in args.engines:
                rows += [measure(name, path, engine, args) for _ in range(args.repeats)]
    report(args, "ratings_speed", rows)


if __name__ == "__main__":
    main()
