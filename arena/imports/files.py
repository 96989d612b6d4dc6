"""Any file of votes: the format is found out or given, every row is accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rostra.arena.imports import (
    delimited,
    json_lines,
    llmfao,
    lmsys_battles,
    lmsys_log,
    mt_bench,
    pairs,
    parquet,
)
from rostra.arena.imports.detect import FORMATS, Detected, Format, detect
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import Raw, normalised
from rostra.arena.imports.report import ImportReport, merged
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.frame import REQUIRED

IN_MEMORY_BYTES = 2**27
"""Texts up to this size are read once and kept; larger ones stay a query and are read again."""
PACKED = 8
"""How many times smaller Parquet is."""


@dataclass(frozen=True)
class ImportedVotes:
    votes: pl.LazyFrame
    """A vote frame; see `rostra.arena.ratings.frame`."""
    report: ImportReport


@dataclass(frozen=True)
class ImportedCounts:
    board: Board
    sided: bool
    """Whether the counts tell who stood on which side; see `rostra.arena.imports.pairs`."""
    report: ImportReport


def read_votes(
    path: Path, format: Format | None = None, *, texts: bool = False
) -> ImportedVotes | ImportedCounts:
    """Reads a file of votes, or of counts by pair.

    `format`: None to find it out. `texts`: the answers' texts too, for features of style.

    Raises:
        ImportFileError: the file cannot be read, is in no known format or in more than one, or
            lacks a column that votes need. What is wrong with single rows is in the report.
    """
    found = chosen_format(path, format)
    if found.format == "pairs":
        return _counts(path, found)
    raw = read_raw(path, found, texts=texts)
    if not set(REQUIRED) <= set(raw.rows.collect_schema()):
        reasons = "; ".join(map(str, raw.faults)) or "it names no contestants and outcomes"
        raise ImportFileError(f"{path} holds no vote in the format {found.format}: {reasons}")
    result = normalised(raw.rows, in_memory=fits_in_memory(path))
    faults = merged((*raw.faults, *result.faults))
    left_out = sum(count for _, count in raw.left_out)
    return ImportedVotes(
        result.votes,
        ImportReport(
            path=str(path),
            format=found.format,
            because=found.because,
            rows_read=result.num_votes + sum(fault.count for fault in faults) + left_out,
            left_out=raw.left_out,
            faults=faults,
        ),
    )


def chosen_format(path: Path, format: Format | None) -> Detected:
    """`format`, or what the file is found to be. Raises ImportFileError as `read_votes` does."""
    if format is not None and format not in FORMATS:
        raise ImportFileError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    if not path.is_file():
        raise ImportFileError(f"{path} is not a file")
    try:
        return detect(path) if format is None else Detected(format, "as asked")
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror or error}") from None


def read_raw(path: Path, found: Detected, *, texts: bool) -> Raw:
    """The rows of a file that is not of counts, before they are judged."""
    try:
        return _READERS[found.format](path, texts)
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror or error}") from None


def _counts(path: Path, found: Detected) -> ImportedCounts:
    try:
        counts = pairs.read(path)
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror or error}") from None
    report = ImportReport(
        path=str(path),
        format=found.format,
        because=found.because,
        rows_read=counts.rows_read,
        faults=counts.faults,
    )
    return ImportedCounts(counts.board, counts.sided, report)


def fits_in_memory(path: Path) -> bool:
    """Whether the rows of a file are better read once and kept."""
    size = path.stat().st_size * (PACKED if path.suffix == ".parquet" else 1)
    return size < IN_MEMORY_BYTES


def _csv(path: Path, texts: bool) -> Raw:
    return delimited.read(path, ",", texts=texts)


def _tsv(path: Path, texts: bool) -> Raw:
    return delimited.read(path, "\t", texts=texts)


_READERS = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": lambda path, texts: json_lines.read(path, texts=texts),
    "parquet": lambda path, texts: parquet.read(path, texts=texts),
    "lmsys-log": lambda path, texts: lmsys_log.read(path, texts=texts),
    "lmsys-battles": lambda path, texts: lmsys_battles.read(path, texts=texts),
    "llmfao": lambda path, texts: llmfao.read(path, texts=texts),
    "mt-bench": lambda path, texts: mt_bench.read(path, texts=texts),
}
