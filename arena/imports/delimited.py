"""CSV and TSV (RFC 4180), first line the headings."""

from __future__ import annotations

import csv
import io
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from rostra.arena.imports.columns import ONE_HOT, match, plain
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import ROW, Raw
from rostra.arena.imports.report import FaultCounter

MOST_LINES = 1000
"""Of one record. A quote that is never closed would otherwise take in the rest of the file."""
AT_ONCE = 2**16
"""Records that Polars is given in one block, where it refuses the file as a whole."""


def headings(path: Path, separator: str) -> list[str]:
    """The names in the first line. Raises ImportFileError for an empty file."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline()
        found = next(csv.reader([line], delimiter=separator), [])
    if not any(name.strip() for name in found):
        raise ImportFileError(f"{path} has no line of column names; is it empty?")
    if twice := sorted({name for name in found if name and found.count(name) > 1}):
        raise ImportFileError(f"{path} has two columns {twice[0]!r}; rename one")
    if "\0" in line:
        raise ImportFileError(f"{path} is not UTF-8 text; convert it, as with iconv")
    return found


def read(path: Path, separator: str, *, texts: bool) -> Raw:
    """Votes from a file; columns by their names. `texts`: the answers' texts too."""
    names = headings(path, separator)
    found = match(names, str(path))
    if not texts:
        found = {column: name for column, name in found.items() if not column.startswith("text_")}
    table = read_table(path, separator)
    columns = [pl.col(name).alias(column) for column, name in found.items()]
    if "outcome" not in found:
        columns.append(one_hot({plain(name): name for name in names}))
    return Raw(table.rows.select(ROW, *columns), table.faults)


def read_table(path: Path, separator: str) -> Raw:
    """All columns under their own names, as String, and `ROW`; what is empty is null."""
    names = headings(path, separator)
    if ROW in names:
        raise ImportFileError(f"{path}: rename the column {ROW!r}")
    rows = pl.scan_csv(
        path,
        separator=separator,
        infer_schema=False,
        encoding="utf8-lossy",
        row_index_name=ROW,
        row_index_offset=1,
    )
    try:
        # All columns of all records, as Polars overlooks too many fields where it reads only some.
        blank = pl.all_horizontal(pl.col(names).is_null())
        if rows.select(blank.any()).collect(engine="streaming").item():
            rows = rows.filter(~blank)
    except PolarsError:
        return _record_by_record(path, separator, names)
    return Raw(rows.with_columns(pl.col(ROW).cast(pl.Int64)))


def one_hot(by_name: dict[str, str]) -> pl.Expr:
    """The outcome of `ONE_HOT` columns; unless exactly one is set, what they hold."""
    flags = {name: pl.col(by_name[name]).cast(pl.String) for name in ONE_HOT}
    set_ = {name: flag.is_in(["1", "1.0", "true", "True"]) for name, flag in flags.items()}
    outcome = pl.lit("flags ") + pl.concat_str(*flags.values(), separator=",", ignore_nulls=True)
    exactly_one = pl.sum_horizontal(set_.values()) == 1
    for name, label in ONE_HOT.items():
        outcome = pl.when(exactly_one & set_[name]).then(pl.lit(label)).otherwise(outcome)
    return outcome.alias("outcome")


def _record_by_record(path: Path, separator: str, names: list[str]) -> Raw:
    """What can be read of a file that Polars refuses, written anew for it block by block: a million
    records as Python's strings would take it five times as long as to read them."""
    counter = FaultCounter()
    parts: list[pl.DataFrame] = []
    rows, text = array("q"), io.StringIO()
    again = csv.writer(text, delimiter=separator, lineterminator="\n")
    for number, line, fields in _records(path, separator):
        if fields is None:
            quoted = "a quote that is not closed or not doubled"
            counter.add(number, quoted, line.rstrip("\r\n"))
            continue
        if isinstance(fields, int):
            width, blank = fields, not line.strip(separator + "\r\n")
        else:
            width, blank = len(fields), not any(fields)
        if width > len(names):
            counter.add(number, "more fields than columns", line.rstrip("\r\n"))
        elif not blank:
            rows.append(number)
            if isinstance(fields, int):
                text.write(line.rstrip("\r\n"))
                text.write("\n")
            else:
                again.writerow(fields)
            if len(rows) == AT_ONCE:
                parts.append(_table(names, separator, rows, text))
    parts.append(_table(names, separator, rows, text))
    return Raw(pl.concat(parts).lazy(), counter.faults())


def _table(names: list[str], separator: str, rows: array[int], text: io.StringIO) -> pl.DataFrame:
    """The records in `text`, which `rows` numbers; both are empty afterwards."""
    schema = dict.fromkeys(names, pl.String)
    found = pl.read_csv(
        text.getvalue().encode(),
        separator=separator,
        has_header=False,
        schema=schema,
        raise_if_empty=False,
    )
    numbers = pl.Series(ROW, rows, dtype=pl.Int64)
    del rows[:]
    text.seek(0)
    text.truncate()
    return found.select(numbers, *names)


def _records(path: Path, separator: str) -> Iterator[tuple[int, str, list[str] | int | None]]:
    """Of each record its number from 1, its first line and its fields: only how many there are
    where it has no quote. None where a quote is not closed, and on with the next line."""
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        again: deque[str] = deque()
        lines = islice(file, 1, None)
        number = 0
        while (line := again.popleft() if again else next(lines, None)) is not None:
            number += 1
            if '"' not in line:
                yield number, line, line.count(separator) + 1
                continue
            record = [line]
            fields = _fields(record, separator)
            while fields is None and len(record) < MOST_LINES:
                more = again.popleft() if again else next(lines, None)
                if more is None:
                    break
                record.append(more)
                fields = _fields(record, separator) if '"' in more else None
            if fields is None:
                again.extendleft(reversed(record[1:]))
            yield number, line, fields


def _fields(lines: list[str], separator: str) -> list[str] | None:
    """The fields of one record; None when a quote in it is not closed."""
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True), [])
    except csv.Error:
        return None
