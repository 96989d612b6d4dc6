"""Published tables as boards."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rostra.arena.ratings.board import Board

OUTCOME = {"left": "a", "right": "b", "tie": "tie"}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def square(names: Sequence[str], wins: Sequence[Sequence[int]]) -> Board:
    """`wins[i][j]`: how often i beat j, whatever the side. `names` in ascending order."""
    i, j = np.triu_indices(len(names), k=1)
    table = np.array(wins)
    zero = np.zeros_like(i)
    return Board.of(names, i, j, np.stack([table[i, j], zero, table[j, i], zero], axis=1))


def counted(rows: Sequence[tuple[str, str, int, int, int, int]]) -> Board:
    """Rows (left, right, left wins, ties, right wins, both bad)."""
    names = sorted({name for row in rows for name in row[:2]})
    index = {name: position for position, name in enumerate(names)}
    return Board.of(
        names,
        [index[row[0]] for row in rows],
        [index[row[1]] for row in rows],
        [row[2:] for row in rows],
    )


def baseball(data: Path) -> Board:
    """The home team stands on the left."""
    return counted(
        [
            (row["home.team"], row["away.team"], int(row["home.wins"]), 0, int(row["away.wins"]), 0)
            for row in read(data / "baseball.csv")
        ]
    )


def citations(data: Path) -> Board:
    """Being cited is a win over who cites."""
    return counted(
        [
            (row["cited"], row["citing"], int(row["Freq"]), 0, 0, 0)
            for row in read(data / "citations.csv")
            if row["cited"] != row["citing"]
        ]
    )


def puddings(data: Path) -> Board:
    return counted(
        [
            (row["i"], row["j"], int(row["w_ij"]), int(row["t_ij"]), int(row["w_ji"]), 0)
            for row in read(data / "pudding.csv")
        ]
    )


def arena_of_august(data: Path) -> Board:
    return counted(
        [
            (
                *(row["model_a"], row["model_b"], int(row["win_a"]), int(row["tie"])),
                *(int(row["win_b"]), int(row["both_bad"])),
            )
            for row in read(data / "arena_20240814" / "pairs.csv")
        ]
    )


def votes(path: Path) -> list[tuple[str, str, str]]:
    """(left, right, outcome) in the order of the file."""
    return [(row["left"], row["right"], OUTCOME[row["winner"]]) for row in read(path)]
