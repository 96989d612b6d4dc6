"""Parquet with one row for each vote."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from rostra.arena.imports.columns import match, plain
from rostra.arena.imports.delimited import one_hot
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import ROW, Raw


def scan(path: Path) -> pl.LazyFrame:
    """All columns, and `ROW`. Raises ImportFileError for what is not Parquet."""
    try:
        rows = pl.scan_parquet(path, row_index_name=ROW, row_index_offset=1)
        rows.collect_schema()
    except (PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ImportFileError(f"{path} cannot be read as Parquet: {reason}") from None
    return rows.with_columns(pl.col(ROW).cast(pl.Int64))


def read(path: Path, *, texts: bool) -> Raw:
    """Votes from a file; columns by their names. `texts`: the answers' texts too."""
    rows = scan(path)
    schema = rows.collect_schema()
    flat = [name for name in schema if name != ROW and not schema[name].is_nested()]
    found = match(flat, str(path))
    columns = [
        pl.col(name).alias(column)
        for column, name in found.items()
        if texts or not column.startswith("text_")
    ]
    if "outcome" not in found:
        columns.append(one_hot({plain(name): name for name in flat}))
    return Raw(rows.select(ROW, *columns))
