"""Real votes taken into a store, written out, and taken into another: the same battles?

    python -m benchmarks.vote_round_trips --save ../shared/data/mtbench/human.jsonl ...

For each file and each form that keeps every field: votes, whether the second store has the same
battles as the first, and seconds of processor time. Exit code 1 when one differs.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.results import Row, add_output_options, report
from rostra.arena.votes.database import open_database, snapshot
from rostra.arena.votes.stored import newest
from rostra.arena.votes.transfer.export import Exporter, ExportOptions
from rostra.arena.votes.transfer.forms import Form
from rostra.arena.votes.transfer.importing import Importer
from rostra.arena.votes.transfer.reading import Filter, votes
from rostra.arena.votes.transfer.sources import source_of

FILES: dict[Form, str] = {
    "jsonl": "log.jsonl",
    "lmsys-battles": "battles.json",
    "lmsys-log": "2026-11-23-conv.json",
}


@dataclass(frozen=True)
class Trip:
    votes: int
    same: bool
    seconds: float
    """Of processor time, for both imports and the export."""


def round_trip(path: Path, place: Path, form: Form) -> Trip:
    began = time.process_time()
    engines = [
        open_database(f"sqlite:///{place / f'{path.stem}-{form}-{number}.sqlite'}")
        for number in (1, 2)
    ]
    file = place / f"{path.stem}-{FILES[form]}"
    try:
        Importer(engines[0], path, source_of(path)).run()
        with file.open("w+b") as stream:
            Exporter(engines[0], ExportOptions(form, identities="kept")).write(stream)
        Importer(engines[1], file, source_of(file)).run()
        seconds = time.process_time() - began
        counted = [sum(1 for _ in digests(engine)) for engine in engines]
        # Sorted, as times that a file does not give are those of either import.
        same = sorted(digests(engines[0])) == sorted(digests(engines[1]))
        return Trip(counted[0], same, seconds)
    finally:
        for engine in engines:
            engine.dispose()


def digests(engine: Engine) -> Iterator[bytes]:
    """One of each vote: who met whom, how it ended, when, by whom, and every text."""
    with snapshot(engine) as connection:
        for found in votes(connection, Filter()):
            battle, vote = found.battle, found.vote
            known = (
                found.id,
                battle.contestant_a,
                battle.contestant_b,
                battle.mode,
                vote.outcome,
                vote.turns,
                found.at,
                None if battle.voter.startswith("?") else battle.voter,
                [turn.prompt for turn in found.turns],
                [(each.turn, each.side, each.text) for each in newest(found.logged.answers)],
            )
            yield hashlib.sha256(repr(known).encode()).digest()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="+", type=Path)
    add_output_options(parser)
    args = parser.parse_args(arguments)
    rows: list[Row] = []
    for path in args.files:
        for form in FILES:
            with tempfile.TemporaryDirectory() as place:
                trip = round_trip(path, Path(place), form)
            row = {"file": f"{path.parent.name}/{path.name}", "form": form, **asdict(trip)}
            print(row, flush=True)
            rows.append(row)
    args.files = [str(path) for path in args.files]
    report(args, "vote_round_trips", rows)
    return int(not all(row["same"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
