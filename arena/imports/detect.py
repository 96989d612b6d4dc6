"""Which format a file is in, by its name and its first lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from rostra.arena.imports import (
    delimited,
    json_array,
    json_lines,
    llmfao,
    lmsys_battles,
    lmsys_log,
    mt_bench,
    pairs,
    parquet,
)
from rostra.arena.imports.columns import ALIASES, ONE_HOT, plain
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import ROW
from rostra.arena.imports.report import FaultCounter

Format = Literal[
    "csv", "tsv", "jsonl", "parquet", "pairs", "lmsys-log", "lmsys-battles", "llmfao", "mt-bench"
]
FORMATS: tuple[Format, ...] = get_args(Format)
_SAMPLE = 20
"""Objects looked at in a file of JSON."""


@dataclass(frozen=True)
class Detected:
    format: Format
    because: str


def detect(path: Path) -> Detected:
    """Raises ImportFileError when no format fits, or more than one."""
    if path.suffix == ".parquet":
        names = [name for name in parquet.scan(path).collect_schema() if name != ROW]
        if marks := sorted(lmsys_battles.MARKS & set(names)):
            return Detected("lmsys-battles", f"Parquet with {marks[0]}")
        return Detected("parquet", "by its name")
    if path.name.endswith("-conv.json"):
        return Detected("lmsys-log", "by its name")
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"")
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror}") from None
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        raise ImportFileError(f"{path} is empty")
    if start in (b"{", b"["):
        return _json(path)
    separator = "\t" if path.suffix in (".tsv", ".tab") or b"\t" in first else ","
    return _delimited(path, separator)


def _delimited(path: Path, separator: str) -> Detected:
    names = delimited.headings(path, separator)
    if set(names) >= llmfao.HEADINGS:
        return Detected("llmfao", "its columns are model_x, model_y, winner, left, right")
    votes = _has_outcome(names)
    if pairs.fits(names):
        if votes:
            raise ImportFileError(
                f"{path} could be votes or counts by pair: {', '.join(names)}; "
                "give --format csv or --format pairs"
            )
        return Detected("pairs", "its columns are counts of outcomes")
    if not votes:
        raise ImportFileError(
            f"{path} is in no known format: its columns are {', '.join(names)}; votes need one of "
            f"{', '.join(ALIASES['outcome'])}, and the two contestants"
        )
    kind: Format = "tsv" if separator == "\t" else "csv"
    return Detected(kind, "by tabs" if kind == "tsv" else "by commas")


def _json(path: Path) -> Detected:
    records = json_array.objects if json_lines.is_array(path) else json_lines.records
    sample: list[json_lines.Record] = []
    try:
        for _, record in islice(records(path, FaultCounter()), _SAMPLE):
            sample.append(record)
    except ImportFileError:
        # Where the file breaks is told by who reads it all; its form shows before that.
        if not sample:
            raise
    keys: set[str] = set().union(*sample)
    if "type" in keys and any(
        record.get("type") in (*lmsys_log.VOTES, *lmsys_log.OTHERS) for record in sample
    ):
        return Detected("lmsys-log", "its lines have a type of FastChat's log")
    if marks := sorted(lmsys_battles.MARKS & keys):
        if keys >= mt_bench.KEYS and "anony" not in keys and _small(sample):
            return Detected("mt-bench", "its keys are judge, question_id, turn, winner")
        return Detected("lmsys-battles", f"its objects have {marks[0]}")
    if keys >= mt_bench.KEYS:
        return Detected("mt-bench", "its keys are judge, question_id, turn, winner")
    if not _has_outcome(keys):
        if pairs.fits(list(keys)):
            return Detected("pairs", "its objects have counts of outcomes")
        shown = ", ".join(sorted(keys)) or "none"
        raise ImportFileError(f"{path} is in no known format: its keys are {shown}")
    return Detected("jsonl", "JSON with one object for each vote")


def _has_outcome(names: Iterable[str]) -> bool:
    found = {plain(name) for name in names}
    return bool(found & set(ALIASES["outcome"])) or found >= set(ONE_HOT)


def _small(sample: list[json_lines.Record]) -> bool:
    """Whether questions are the numbers of MT-bench rather than ids of conversations."""
    return all(isinstance(record.get("question_id"), int) for record in sample)
