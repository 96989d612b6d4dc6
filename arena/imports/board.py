"""From a file to a board, with what became of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rostra.arena.imports.detect import Format
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.files import ImportedCounts, read_votes
from rostra.arena.imports.report import ImportReport
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.reduce import Wanted, reduce_wanted


@dataclass(frozen=True)
class ImportedBoard:
    board: Board
    provenance: Provenance
    report: ImportReport
    sided: bool
    """Whether the votes tell who stood on which side."""


def read_board(
    path: Path, wanted: Wanted, format: Format | None = None, *, strict: bool = False
) -> ImportedBoard:
    """The votes in a file as a board; `format` None to find it out.

    Raises:
        ImportFileError: see `read_votes`; with `strict` also when any row is malformed; and when
            a file of counts is asked for what only single votes have.
        RatingsError: the votes lack a factor or a feature that is wanted, or none is left.
    """
    found = read_votes(path, format, texts=bool(wanted.style))
    report = found.report
    if strict and report.faults:
        raise ImportFileError(
            f"{path}: {report.malformed:,} of {report.rows_read:,} rows are malformed; --strict "
            f"refuses: {'; '.join(map(str, report.faults))}"
        )
    if not report.rows_used:
        reasons = [f"{count:,} × {reason}" for reason, count in report.left_out]
        reasons += map(str, report.faults)
        raise ImportFileError(
            f"{path}: none of {report.rows_read:,} rows can be rated from"
            + (f": {'; '.join(reasons)}" if reasons else "")
        )
    faults = tuple((fault.reason, fault.count) for fault in report.faults)
    if isinstance(found, ImportedCounts):
        if wanted.factors or wanted.style or wanted.since or wanted.until:
            raise ImportFileError(
                f"{path} has counts by pair, which carry no times, categories, voters or answers"
            )
        return ImportedBoard(
            found.board,
            Provenance(
                source=str(path),
                rows_read=report.rows_read,
                rows_used=report.rows_used,
                left_out=faults,
            ),
            report,
            found.sided,
        )
    reduced = reduce_wanted(found.votes, wanted)
    return ImportedBoard(
        reduced.board,
        Provenance(
            source=str(path),
            rows_read=report.rows_read,
            rows_used=reduced.board.num_votes,
            left_out=(*report.left_out, *faults, *reduced.left_out),
            first_vote=reduced.first.isoformat() if reduced.first else None,
            last_vote=reduced.last.isoformat() if reduced.last else None,
        ),
        report,
        sided=True,
    )
