"""JSON lines, or one JSON array, of one object for each vote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from rostra.arena.imports.columns import ALIASES, ONE_HOT, match, plain
from rostra.arena.imports.delimited import one_hot
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import ROW, Raw
from rostra.arena.imports.report import FaultCounter

Record = Mapping[str, Any]


def read(path: Path, *, texts: bool) -> Raw:
    """Votes from a file; keys by their names. `texts`: the answers' texts too."""
    counter = FaultCounter()
    known: dict[str, bool] = {}
    names = {name for fitting in ALIASES.values() for name in fitting} | set(ONE_HOT)
    table = _Columns()
    for row, record in records(path, counter):
        for key in record.keys() - known.keys():
            known[key] = plain(key) in names
        table.add(row, {key: value for key, value in record.items() if known[key]})
    if not len(table) and not counter.faults():
        raise ImportFileError(f"{path} has no votes in it; is it empty?")
    frame = table.frame()
    found = match([key for key in frame.columns if key != ROW], str(path))
    columns = [
        pl.col(key).alias(column)
        for column, key in found.items()
        if texts or not column.startswith("text_")
    ]
    if "outcome" not in found:
        columns.append(one_hot({plain(key): key for key in frame.columns}))
    return Raw(frame.lazy().select(ROW, *columns), counter.faults())


def records(path: Path, counter: FaultCounter) -> Iterator[tuple[int, Record]]:
    """Objects by number from 1: the line, or the place in the array. Others go to `counter`.

    Raises ImportFileError for an array that does not end.
    """
    decode: Callable[[Any], Any] = msgspec.json.Decoder().decode
    for row, text in _texts(path):
        try:
            record = decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            counter.add(row, "not valid JSON in UTF-8", f"{error}: {_shown(text)}")
            continue
        if isinstance(record, dict):
            yield row, record
        else:
            counter.add(row, "not a JSON object", _shown(text))


def is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _texts(path: Path) -> Iterator[tuple[int, bytes | msgspec.Raw]]:
    if is_array(path):
        try:
            items = msgspec.json.decode(
                path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw]
            )
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ImportFileError(f"{path} is not a JSON array: {error}; is it cut off?") from None
        yield from enumerate(items, start=1)
        return
    with path.open("rb") as file:
        for row, line in enumerate(file, start=1):
            if row == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
            if line.strip():
                yield row, line


def _shown(text: bytes | msgspec.Raw) -> str:
    return bytes(text)[:200].decode("utf-8", "replace").strip()


class _Columns:
    """Values by key, null where an object lacks one."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._values: dict[str, list[str | None]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: int, record: Record) -> None:
        for key, value in record.items():
            column = self._values.get(key)
            if column is None:
                column = self._values[key] = []
            if len(column) < len(self._rows):
                column.extend([None] * (len(self._rows) - len(column)))
            column.append(value if value is None or isinstance(value, str) else _text(value))
        self._rows.append(row)

    def frame(self) -> pl.DataFrame:
        for column in self._values.values():
            column.extend([None] * (len(self._rows) - len(column)))
        schema = {ROW: pl.Int64, **dict.fromkeys(self._values, pl.String)}
        return pl.DataFrame({ROW: self._rows, **self._values}, schema=schema)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()


def frame_of(rows: list[int], values: list[dict[str, str | None]]) -> pl.DataFrame:
    """Records of one known form as a frame of String columns, with `ROW`."""
    table = _Columns()
    for row, record in zip(rows, values, strict=True):
        table.add(row, record)
    return table.frame()
