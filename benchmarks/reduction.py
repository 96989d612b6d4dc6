"""From stored votes to the counts that are rated: seconds and memory, each in a fresh process.

    python -m benchmarks.reduction
    python -m benchmarks.reduction --votes 100000 --label before --save

Makes votes of 200 contestants, with a voter, a category and a time each, as Parquet, as CSV and as
a vote store in SQLite, and reduces them by pair, and by pair and category (the store: by voter).
The time is that of reading and reducing after the imports; the memory is the process's greatest.
The target, for ten million votes as Parquet or CSV by pair: 10 s and 2 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.results import Row, add_output_options, median_row, report

SIZES = (100_000, 1_000_000, 10_000_000)
STORE_MOST = 1_000_000
"""Votes in the store: SQLite itself takes minutes to be given more."""
CONTESTANTS, VOTERS, CATEGORIES = 200, 50_000, 8
BLOCK = 500_000
FILES = ("parquet", "csv")
START = 1_700_000_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--votes", type=int, action="append", help="default: 1e5, 1e6 and 1e7")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-store", action="store_true", help="leave SQLite out")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    add_output_options(parser)
    args = parser.parse_args(arguments)
    if args.one:
        print(json.dumps(reduce_once(json.loads(args.one))))
        return
    del args.one
    args.votes = args.votes or list(SIZES)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for votes in args.votes:
            for task in tasks(Path(folder), votes, not args.no_store):
                measured = [fresh(task) for _ in range(args.repeats)]
                rows.append({**task, "path": None, **median_row(measured)})
                print(rows[-1], flush=True)
            for path in Path(folder).iterdir():
                path.unlink()
    report(args, "reduction", [{k: v for k, v in row.items() if k != "path"} for row in rows])


def tasks(folder: Path, votes: int, store: bool) -> Iterator[Row]:
    """What to measure, its votes made just before."""
    for format in FILES:
        path = folder / f"votes.{format}"
        write_file(path, votes)
        for by in ("", "category"):
            yield {"format": format, "votes": votes, "by": by or "pair", "path": str(path)}
    if store and votes <= STORE_MOST:
        path = folder / "votes.sqlite3"
        write_store(path, votes)
        for by in ("", "voter"):
            yield {"format": "store", "votes": votes, "by": by or "pair", "path": str(path)}


def fresh(task: Row) -> Row:
    """One measurement in its own process."""
    command = [sys.executable, "-m", "benchmarks.reduction", "--one", json.dumps(task)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def reduce_once(task: Row) -> Row:
    from rostra.arena.imports.board import read_board
    from rostra.arena.ratings.reduce import Wanted
    from rostra.arena.votes.reduction import VoteReader

    wanted = Wanted(factors=() if task["by"] == "pair" else (task["by"],))
    began, worked = time.perf_counter(), time.process_time()
    if task["format"] == "store":
        reader = VoteReader(f"sqlite:///{task['path']}")
        board, _ = reader.reduce(wanted)
        reader.close()
    else:
        board = read_board(Path(task["path"]), wanted).board
    seconds = time.perf_counter() - began
    assert board.num_votes == task["votes"], board.num_votes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - worked,
        "peak_gb": peak / 1e9,
        "votes_per_second": votes_per_second(task["votes"], seconds),
        "cells": len(board.left),
    }


def votes_per_second(votes: int, seconds: float) -> int:
    return round(votes / seconds)


def blocks(votes: int) -> Iterator[dict[str, np.ndarray]]:
    """Columns of so many votes, the same each time."""
    rng = np.random.default_rng(1)
    for first in range(0, votes, BLOCK):
        size = min(BLOCK, votes - first)
        left = rng.integers(0, CONTESTANTS, size)
        yield {
            "left": left,
            "right": (left + rng.integers(1, CONTESTANTS, size)) % CONTESTANTS,
            "outcome": rng.choice(4, size, p=[0.36, 0.16, 0.30, 0.18]),
            "voter": rng.integers(0, VOTERS, size),
            "category": rng.integers(0, CATEGORIES, size),
            "tstamp": START + np.arange(first, first + size),
        }


def write_file(path: Path, votes: int) -> None:
    import polars as pl

    def named(column: str, stem: str) -> pl.Expr:
        return pl.format(f"{stem}-{{}}", pl.col(column)).alias(column)

    winners = {0: "model_a", 1: "tie", 2: "model_b", 3: "tie (bothbad)"}
    parts = []
    for block in blocks(votes):
        parts.append(
            pl.DataFrame(block)
            .with_columns(
                *(named(name, "contestant") for name in ("left", "right")),
                named("voter", "voter"),
                named("category", "category"),
                winner=pl.col("outcome").replace_strict(winners, return_dtype=pl.String),
            )
            .drop("outcome")
        )
        # In pieces, so that making the votes needs no more memory than reducing them.
        if path.suffix == ".csv":
            with path.open("ab") as file:
                parts.pop().write_csv(file, include_header=file.tell() == 0)
    if parts:
        pl.concat(parts).write_parquet(path)


def write_store(path: Path, votes: int) -> None:
    from sqlalchemy import insert

    from rostra.arena.votes.database import WRITES, open_database
    from rostra.arena.votes.models import Battle, Vote

    outcomes = ("a", "tie", "b", "both_bad")
    settings = {"model": "org/model-7b", "system_prompt": "You are a helpful assistant. " * 8}
    rng = np.random.default_rng(2)
    engine = open_database(f"sqlite:///{path}")
    for block in blocks(votes):
        columns = [block[name].tolist() for name in ("left", "right", "outcome", "voter", "tstamp")]
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            for rows in batched(list(zip(*columns, strict=True)), 10_000):
                ids = [rng.bytes(16).hex() for _ in rows]
                connection.execute(
                    insert(Battle),
                    [
                        {
                            "id": battle,
                            "created_at": datetime.fromtimestamp(at, UTC),
                            "voter": f"{voter:032x}",
                            "token_sha256": b"0" * 32,
                            "contestant_a": f"contestant-{left}",
                            "contestant_b": f"contestant-{right}",
                            "settings_a": settings,
                            "settings_b": settings,
                        }
                        for battle, (left, right, _, voter, at) in zip(ids, rows, strict=True)
                    ],
                )
                connection.execute(
                    insert(Vote),
                    [
                        {
                            "battle_id": battle,
                            "outcome": outcomes[outcome],
                            "turns": 1,
                            "at": datetime.fromtimestamp(at, UTC),
                        }
                        for battle, (_, _, outcome, _, at) in zip(ids, rows, strict=True)
                    ],
                )
    engine.dispose()


def batched(rows: list[tuple], size: int) -> Iterator[list[tuple]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


if __name__ == "__main__":
    main()
