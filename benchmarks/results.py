"""Files of results: what was measured, on what, with which arguments."""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe

FOLDER = Path(__file__).parent / "results"
Row = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One run of one benchmark. A file of results is this object in JSON."""

    benchmark: str
    arguments: dict[str, Any]
    rows: list[Row]
    label: str = ""
    machine: dict[str, Any] = field(default_factory=describe)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Result:
        """Raises ValueError, with the name of the file, for one that is no such result."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                benchmark=document["benchmark"],
                arguments=document["arguments"],
                rows=document["rows"],
                label=document["label"],
                machine=document["machine"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a file of results: {error!r}") from None


ELSEWHERE = {"label", "json", "save", "work"}
"""Arguments that say where files are, which is of no interest on another machine."""


def add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", default="", help="tells this run from others, as in: before")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument(
        "--save", action="store_true", help=f"write it to {FOLDER.name}/, named by its label"
    )


def report(args: argparse.Namespace, benchmark: str, rows: Sequence[Row]) -> None:
    """Prints the rows, and writes them where the options of `add_output_options` ask for it."""
    print(flush=True)
    print(table(rows), flush=True)
    arguments = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(args).items()
        if key not in ELSEWHERE
    }
    result = Result(benchmark, arguments, list(rows), args.label)
    for path in filter(None, (args.json, file_name(result) if args.save else None)):
        result.write(path)
        print(f"written: {path}", flush=True)


def file_name(result: Result) -> Path:
    parts = [result.benchmark, result.label or result.machine["date"][:10]]
    return FOLDER / (re.sub(r"[^a-z0-9.]+", "-", "-".join(parts).lower()) + ".json")


def median_row(rows: Sequence[Mapping[str, Any]]) -> Row:
    """Of repeats of one measurement: the median of each number, whether what is true or false was
    true in all, and the texts they agree in.

    `spread` is the largest relative distance between the least and the greatest repeat.
    """
    merged: Row = {}
    spread = 0.0
    for key, first in rows[0].items():
        values = [row[key] for row in rows if row.get(key) is not None]
        if isinstance(first, bool):
            merged[key] = all(values)
        elif isinstance(first, int | float):
            merged[key] = statistics.median(values)
            if isinstance(first, float) and merged[key]:
                spread = max(spread, (max(values) - min(values)) / abs(merged[key]))
        elif all(value == first for value in values):
            merged[key] = first
    return merged | {"repeats": len(rows), "spread": spread}


def table(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """Rows under their columns; a dash where a row lacks one. Nested values are left out, and texts
    that all rows share stand in a line above."""
    columns = list(
        dict.fromkeys(
            key for row in rows for key, value in row.items() if not isinstance(value, dict | list)
        )
    )
    shared = [key for key in columns if len(rows) > 1 and _is_shared(key, rows)]
    above = ", ".join(f"{key} {rows[0][key]}" for key in shared)
    columns = [key for key in columns if key not in shared]
    below = _lines(rows, columns, markdown)
    return f"{above}\n\n{below}" if above else below


def _is_shared(key: str, rows: Sequence[Row]) -> bool:
    first = rows[0].get(key)
    return isinstance(first, str) and all(row.get(key) == first for row in rows)


def _lines(rows: Sequence[Row], columns: list[str], markdown: bool) -> str:
    cells = [columns] + [[_shown(row.get(column)) for column in columns] for row in rows]
    if markdown:
        lines = [f"| {' | '.join(line)} |" for line in cells]
        return "\n".join([lines[0], "|" + " --- |" * len(columns), *lines[1:]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    )


def _shown(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value).replace("|", "/").replace("\n", " ")
