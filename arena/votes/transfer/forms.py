"""The forms in which votes leave the store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from rostra.arena.errors import ArenaError

Form = Literal["jsonl", "parquet", "lmsys-battles", "lmsys-log", "csv", "pairs"]
FORMS: tuple[Form, ...] = get_args(Form)
OWN = "rostra"
"""The form of an imported battle that came from our own JSON lines."""


class TransferError(ArenaError):
    """An export or import that cannot be done. One line: what, where, what to do."""


def form_of(name: str) -> Form:
    """By a file's ending. Raises TransferError when it does not tell."""
    path = Path(name)
    if path.name.endswith("-conv.json"):
        return "lmsys-log"
    endings: dict[str, Form] = {
        ".jsonl": "jsonl",
        ".parquet": "parquet",
        ".json": "lmsys-battles",
        ".csv": "csv",
    }
    if path.suffix not in endings:
        raise TransferError(f"{name}: its ending names no form; give --form {' or '.join(FORMS)}")
    return endings[path.suffix]
