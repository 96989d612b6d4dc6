"""Counts of outcomes by pair, CSV, TSV or JSON objects: a board without the single votes.

Columns model_a, model_b, win_a, win_b and, where there are any, tie and both_bad. So also the home
and away results of R's BradleyTerry2 and the comparisons of R's PlackettLuce.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rostra.arena.imports import json_lines
from rostra.arena.imports.columns import ALIASES, plain
from rostra.arena.imports.delimited import headings, read_table
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import ROW, Raw
from rostra.arena.imports.report import Fault, FaultCounter, merged
from rostra.arena.ratings.board import OUTCOMES, Board

NAMES: dict[str, tuple[str, ...]] = {
    "left": (*ALIASES["left"], "home_team", "i"),
    "right": (*ALIASES["right"], "away_team", "j"),
    "a": ("win_a", "wins_a", "wins_left", "home_wins", "w_ij"),
    "b": ("win_b", "wins_b", "wins_right", "away_wins", "w_ji"),
    "tie": ("tie", "ties", "draws", "t_ij"),
    "both_bad": ("both_bad", "bothbad", "tie_bothbad"),
}
OPTIONAL = ("tie", "both_bad")


@dataclass(frozen=True)
class PairCounts:
    board: Board
    rows_read: int
    """Pairs, not votes."""
    faults: tuple[Fault, ...]
    sided: bool
    """Whether a pair stands in both orders. Where none does, the order is the file's own and tells
    nothing of sides."""


def fits(names: list[str]) -> bool:
    """Whether headings are those of pair counts."""
    return {"left", "right", "a", "b"} <= _match(names).keys()


def read(path: Path) -> PairCounts:
    if path.suffix in (".json", ".jsonl"):
        table = _of_json(path)
        found = _match([name for name in table.rows.collect_schema() if name != ROW])
    else:
        separator = "\t" if path.suffix in (".tsv", ".tab") else ","
        table = read_table(path, separator)
        found = _match(headings(path, separator))
    if missing := [name for name in NAMES if name not in found and name not in OPTIONAL]:
        raise ImportFileError(
            f"{path} lacks the column {NAMES[missing[0]][0]}; "
            "pair counts have model_a, model_b, win_a, win_b, and may have tie and both_bad"
        )
    frame = table.rows.select(
        ROW, *(pl.col(heading).str.strip_chars().alias(name) for name, heading in found.items())
    ).collect()
    counter = FaultCounter()
    kept: list[tuple[str, str, list[int]]] = []
    for record in frame.iter_rows(named=True):
        row, left, right = record[ROW], record["left"], record["right"]
        counts = [_count(record[name]) if name in found else 0 for name in OUTCOMES]
        if not left or not right:
            counter.add(row, "no contestant")
        elif "\ufffd" in left + right:
            counter.add(row, "a name that is not valid UTF-8", f"{left}, {right}")
        elif left == right:
            counter.add(row, "a contestant against itself", left)
        elif None in counts:
            shown = ", ".join(str(record[name]) for name in found if name in OUTCOMES)
            counter.add(row, "a count that is not a whole number from 0", shown)
        else:
            kept.append((left, right, [count or 0 for count in counts]))
    contestants = sorted({name for left, right, _ in kept for name in (left, right)})
    index = {name: position for position, name in enumerate(contestants)}
    orders = {(left, right) for left, right, _ in kept}
    board = Board.of(
        contestants,
        [index[left] for left, _, _ in kept],
        [index[right] for _, right, _ in kept],
        [counts for _, _, counts in kept],
    )
    return PairCounts(
        board=board,
        rows_read=len(frame) + sum(fault.count for fault in table.faults),
        faults=merged((*table.faults, *counter.faults())),
        sided=any((right, left) in orders for left, right in orders),
    )


def _of_json(path: Path) -> Raw:
    counter = FaultCounter()
    numbered = list(json_lines.records(path, counter))
    texts = [
        {name: None if value is None else str(value) for name, value in record.items()}
        for _, record in numbered
    ]
    rows = json_lines.frame_of([row for row, _ in numbered], texts)
    return Raw(rows.lazy(), counter.faults())


def _match(names: list[str]) -> dict[str, str]:
    by_name = {plain(name): name for name in names}
    return {
        column: by_name[fitting[0]]
        for column, aliases in NAMES.items()
        if (fitting := [alias for alias in aliases if alias in by_name])
    }


def _count(text: str | None) -> int | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None
