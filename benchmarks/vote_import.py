"""A file of very many votes taken into a store: seconds, and whether memory is bounded.

    python -m benchmarks.vote_import --votes 1000000 --save

The file is of the form in which LMSYS publishes battles, one a line: 40 contestants, 5,000 judges,
tie and "both bad" among the outcomes, and one row in a thousand that no import can take. Each part
of the file gives a row: how many of its votes a second, by the clock and by processor time, and the
process's memory of its own at the end of the part, which must not grow with the votes before it.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.results import Row, add_output_options, report
from rostra.arena.votes.database import open_database
from rostra.arena.votes.transfer.importing import Imported, Importer
from rostra.arena.votes.transfer.incoming import NotTaken
from rostra.arena.votes.transfer.sources import source_of

OUTCOMES = ("model_a", "model_b", "tie", "tie (bothbad)")
UNKNOWN_EVERY = 1_000
"""Rows, of which one has an outcome that is none."""


def write_battles(path: Path, number: int) -> None:
    chance = random.Random(1)
    names = [f"contestant-{i}" for i in range(40)]
    with path.open("w", encoding="utf-8") as file:
        for i in range(number):
            a, b = chance.sample(names, 2)
            known = (i + 1) % UNKNOWN_EVERY
            battle = {
                "question_id": f"{i:032x}",
                "model_a": a,
                "model_b": b,
                "winner": chance.choice(OUTCOMES) if known else "nobody",
                "judge": f"arena_user_{chance.randrange(5_000)}",
                "turn": 1 + chance.randrange(3),
                "anony": True,
                "language": chance.choice(("English", "German", "Korean")),
                "tstamp": 1_700_000_000 + i,
            }
            file.write(json.dumps(battle) + "\n")


class Watched:
    """A source whose rows are counted on their way to the store."""

    def __init__(self, source: Any, part: int) -> None:
        self.form, self.because = source.form, source.because
        self.parts: list[Row] = []
        self._source = source
        self._part = part

    def rows(self) -> Iterator[Any]:
        process = psutil.Process()
        wall, cpu = time.perf_counter(), time.process_time()
        for number, row in enumerate(self._source.rows(), start=1):
            yield row
            if number % self._part == 0:
                seconds, own = time.perf_counter() - wall, time.process_time() - cpu
                found = {
                    "rows": number,
                    "rows_per_s": self._part / seconds,
                    "rows_per_cpu_s": self._part / own,
                    "memory_mib": process.memory_full_info().uss / 2**20,
                }
                print(found, flush=True)
                self.parts.append(found)
                wall, cpu = time.perf_counter(), time.process_time()


def measure(folder: Path, votes: int, parts: int) -> tuple[list[Row], Imported]:
    path = folder / "battles.jsonl"
    write_battles(path, votes)
    engine = open_database(f"sqlite:///{folder / 'votes.sqlite'}")
    source = Watched(source_of(path), votes // parts)
    refused: list[NotTaken] = []
    try:
        imported = Importer(engine, path, source, refused=refused.append).run()
    finally:
        engine.dispose()
    expected = votes // UNKNOWN_EVERY
    if (imported.taken, len(refused)) != (votes - expected, expected):
        raise SystemExit(f"{imported.taken:,} taken, {len(refused):,} not, of {votes:,} rows")
    return source.parts, imported


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=10)
    add_output_options(parser)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows, imported = measure(Path(folder), args.votes, args.parts)
    print(f"{imported.taken:,} of {imported.rows:,} rows taken as {imported.form}")
    report(args, "vote_import", rows)


if __name__ == "__main__":
    main()
