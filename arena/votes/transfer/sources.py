"""A file as a source of battles: the form is found out or given."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from rostra.arena.imports.detect import Format
from rostra.arena.imports.files import chosen_format
from rostra.arena.votes.transfer.forms import OWN
from rostra.arena.votes.transfer.from_lmsys import LmsysBattles, LmsysLog
from rostra.arena.votes.transfer.from_own import OwnLines, is_own
from rostra.arena.votes.transfer.from_tables import PairCounts, Table
from rostra.arena.votes.transfer.incoming import Source


def source_of(path: Path, format: str | None = None) -> Source:
    """`format`: of `rostra.arena.imports.detect.FORMATS`, or `rostra`; None to find it out. Raises
    ImportFileError for a file in no known form."""
    if format == OWN or (format is None and is_own(path)):
        return OwnLines(path)
    found = chosen_format(path, cast(Format | None, format))
    if found.format == "lmsys-battles":
        return LmsysBattles(path, found.because)
    if found.format == "lmsys-log":
        return LmsysLog(path, found.because)
    return PairCounts(path, found.because) if found.format == "pairs" else Table(path, found)
