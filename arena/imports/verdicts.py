"""People's votes and judges' verdicts on the same contestants, from files, as one vote frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rostra.arena.imports.detect import Format
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.files import ImportedVotes, chosen_format, read_raw, read_votes
from rostra.arena.imports.normalise import Raw, normalised
from rostra.arena.imports.report import ImportReport, merged
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.frame import REQUIRED
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.reduce import Wanted, reduce_wanted

INCONSISTENT = "tie (inconsistent)"
"""MT-bench's word for a verdict that changed with the order of the answers: a tie."""


@dataclass(frozen=True)
class JudgedVotes:
    votes: pl.DataFrame
    """A vote frame; `judge` is null for people."""
    reports: tuple[ImportReport, ...]
    """Of each file."""

    @property
    def malformed(self) -> int:
        return sum(report.malformed for report in self.reports)


def read_judged(
    people: Path | None,
    verdicts: Sequence[Path],
    format: Format | None = None,
    *,
    texts: bool = False,
) -> JudgedVotes:
    """The votes in `people`, none for None, and the verdicts in each of `verdicts`.

    A verdict's judge is the voter that its row names; where it names none, the judge is called as
    the file is. `format`: of all files; None to find out each one's. `texts`: the answers' texts.

    Raises ImportFileError as `read_votes` does, for counts by pair, and for a file without a usable
    row.
    """
    frames, reports = [], []
    for path in [people] if people is not None else []:
        found = read_votes(path, format, texts=texts)
        if not isinstance(found, ImportedVotes):
            raise _counts(path)
        frames.append(found.votes.collect().with_columns(judge=pl.lit(None, pl.String)))
        reports.append(found.report)
    for path in verdicts:
        frame, report = _verdicts(path, format, texts)
        frames.append(frame)
        reports.append(report)
    for report in reports:
        if not report.rows_used:
            faults = "; ".join(map(str, report.faults)) or "it has no rows"
            raise ImportFileError(f"{report.path}: no row can be used: {faults}")
    if not frames:
        raise ImportFileError("no file of votes and none of verdicts")
    return JudgedVotes(pl.concat(frames, how="diagonal"), tuple(reports))


@dataclass(frozen=True)
class JudgedBoard:
    board: Board
    """With the factors that are wanted."""
    provenance: Provenance
    reports: tuple[ImportReport, ...]


def judged_board(
    people: Path,
    verdicts: Sequence[Path],
    wanted: Wanted,
    format: Format | None = None,
    *,
    strict: bool = False,
) -> JudgedBoard:
    """`read_judged` as a board. Raises ImportFileError as that does and, with `strict`, when a row
    is malformed; RatingsError when the votes lack what is wanted, or none is left."""
    found = read_judged(people, verdicts, format, texts=bool(wanted.style))
    if strict and found.malformed:
        (worst, *_) = [report for report in found.reports if report.faults]
        raise ImportFileError(
            f"{worst.path}: {worst.malformed:,} of {worst.rows_read:,} rows are malformed; "
            f"--strict refuses: {'; '.join(map(str, worst.faults))}"
        )
    reduced = reduce_wanted(found.votes, wanted)
    left_out = [pair for report in found.reports for pair in report.left_out]
    left_out += [(fault.reason, fault.count) for r in found.reports for fault in r.faults]
    provenance = Provenance(
        source=", ".join(report.path for report in found.reports),
        rows_read=sum(report.rows_read for report in found.reports),
        rows_used=reduced.board.num_votes,
        left_out=(*left_out, *reduced.left_out),
        first_vote=reduced.first.isoformat() if reduced.first else None,
        last_vote=reduced.last.isoformat() if reduced.last else None,
    )
    return JudgedBoard(reduced.board, provenance, found.reports)


def _verdicts(path: Path, format: Format | None, texts: bool) -> tuple[pl.DataFrame, ImportReport]:
    chosen = chosen_format(path, format)
    if chosen.format == "pairs":
        raise _counts(path)
    raw = read_raw(path, chosen, texts=texts)
    if not set(REQUIRED) <= set(raw.rows.collect_schema()):
        reasons = "; ".join(map(str, raw.faults)) or "it names no contestants and outcomes"
        raise ImportFileError(f"{path} holds no verdict in the format {chosen.format}: {reasons}")
    result = normalised(_settled(raw), in_memory=True)
    faults = merged((*raw.faults, *result.faults))
    left_out = sum(count for _, count in raw.left_out)
    frame = result.votes.collect()
    named = pl.col("voter") if "voter" in frame.columns else pl.lit(None, pl.String)
    frame = frame.with_columns(judge=named.fill_null(path.name.split(".")[0]))
    return frame.with_columns(voter=pl.col("judge")), ImportReport(
        path=str(path),
        format=chosen.format,
        because=chosen.because,
        rows_read=result.num_votes + sum(fault.count for fault in faults) + left_out,
        left_out=raw.left_out,
        faults=faults,
    )


def _settled(raw: Raw) -> pl.LazyFrame:
    """The rows, a verdict that turned with the order of the answers being a tie."""
    word = pl.col("outcome").cast(pl.String)
    changed = word.str.strip_chars().str.to_lowercase() == INCONSISTENT
    return raw.rows.with_columns(outcome=pl.when(changed).then(pl.lit("tie")).otherwise(word))


def _counts(path: Path) -> ImportFileError:
    return ImportFileError(
        f"{path} has counts by pair, which do not tell who judged which question; give single votes"
    )
