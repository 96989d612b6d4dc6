"""A posterior as readers get it: saved, with its audit and its report in the same folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rostra.arena.errors import ArenaError
from rostra.arena.ratings import audit
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.frame import JUDGE
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.ratings.spec import PEOPLE

Read = Callable[[Wanted], Board]
REPORT = "report.html"
AUDITED_BY_VOTER = 1_000_000
"""Votes up to which they are read again, by voter and by week, for the audit."""


@dataclass(frozen=True)
class Published:
    folder: Path
    findings: tuple[audit.Finding, ...]


def publish(posterior: Posterior, directory: Path, read: Read, wanted: Wanted) -> Published:
    """Writes all of it into a new folder in `directory`, which is the latest then.

    The audit is of the cheap kind. Raises RatingsError when nothing can be written.
    """
    from rostra.arena.ratings.plots.report import write_report

    folder = posterior.save(directory)
    few = posterior.provenance.rows_used <= AUDITED_BY_VOTER
    seen = evidence(posterior, read, wanted) if few else audit.Evidence.of(posterior)
    findings = audit.run(seen, quick=True)
    audit.save(findings, folder)
    write_report(posterior, folder / REPORT, findings)
    return Published(folder, findings)


def evidence(posterior: Posterior, read: Read, wanted: Wanted) -> audit.Evidence:
    """The posterior, with the votes that it was computed from told apart by voter and by week.

    `read` gives those votes again for `wanted`, and for what tells them further apart; it may raise
    ArenaError where they do not tell.
    """
    own = audit.Evidence.of(posterior)
    return replace(
        own,
        by_voter=own.by_voter or _by("voter", read, wanted),
        by_week=own.by_week or _by("week", read, wanted),
    )


def _by(factor: str, read: Read, wanted: Wanted) -> Board | None:
    factors = tuple(dict.fromkeys((*wanted.factors, factor)))
    try:
        board = read(replace(wanted, factors=factors))
    except ArenaError:
        return None
    if JUDGE in board.factors:
        # How a judge's verdicts go together is in the model; these probes are of people.
        board = board.where(JUDGE, PEOPLE).used()
    return board.by(factor, covariates=wanted.style)
