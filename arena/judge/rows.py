"""Rows of JSON lines files, each good or reported with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rostra.arena.judge.errors import JudgeError


@dataclass(frozen=True)
class RowFault:
    """A row that is not used."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class BadRowError(ValueError):
    """What is wrong with a row, for its `RowFault`."""


def objects(path: Path, faults: list[RowFault]) -> Iterator[tuple[int, dict[str, Any]]]:
    """JSON objects by line, from 1; blank lines are none. What is no object goes to `faults`.
    Raises JudgeError when the file cannot be read."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if not text.strip():
                    continue
                try:
                    yield number, msgspec.json.decode(text, type=dict[str, Any])
                except msgspec.ValidationError:
                    faults.append(RowFault(path, number, "not a JSON object"))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    faults.append(RowFault(path, number, f"not valid JSON in UTF-8: {error}"))
    except OSError as error:
        raise JudgeError(f"cannot read {path}: {error.strerror or error}") from None


def text_of(record: dict[str, Any], name: str) -> str:
    """A text, or a number as one. Raises BadRowError where it is absent, empty or another thing."""
    value = record.get(name)
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadRowError(
        f"{name} is missing" if value is None else f"{name} is no text: {value!r:.60}"
    )


def texts_of(record: dict[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts, none of them empty; one text is a list of it, an absent one is empty."""
    value = record.get(name)
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        raise BadRowError(f"{name} is no list of texts: {value!r:.60}")
    for number, text in enumerate(values, start=1):
        if not isinstance(text, str):
            raise BadRowError(f"{name} {number} is no text: {text!r:.60}")
        if not text.strip():
            raise BadRowError(f"{name} {number} is empty")
    return tuple(values)
