"""A posterior as readers get it: saved, with its audit and its report in the same folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rostra.arena.ratings import audit
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.reduce import Wanted

REPORT = "report.html"
AUDITED_BY_VOTER = 1_000_000
"""Votes up to which they are read again, by voter and by week, for the audit."""


@dataclass(frozen=True)
class Published:
    folder: Path
    findings: tuple[audit.Finding, ...]


def publish(
    posterior: Posterior, directory: Path, read: Callable[[Wanted], Board], wanted: Wanted
) -> Published:
    """Writes all of it into a new folder in `directory`, which is the latest then.

    `read` gives the votes again, told apart by more than `wanted`, which gave the posterior's. It
    may raise RatingsError where they do not tell. Raises RatingsError when nothing can be written.
    """
    from rostra.arena.ratings.plots.report import write_report

    folder = posterior.save(directory)
    evidence = audit.Evidence.of(posterior)
    if posterior.provenance.rows_used <= AUDITED_BY_VOTER:
        evidence = replace(
            evidence,
            by_voter=evidence.by_voter or _by("voter", read, wanted),
            by_week=evidence.by_week or _by("week", read, wanted),
        )
    findings = audit.run(evidence, quick=True)
    audit.save(findings, folder)
    write_report(posterior, folder / REPORT, findings)
    return Published(folder, findings)


def _by(factor: str, read: Callable[[Wanted], Board], wanted: Wanted) -> Board | None:
    factors = tuple(dict.fromkeys((*wanted.factors, factor)))
    try:
        board = read(replace(wanted, factors=factors))
    except RatingsError:
        return None
    return board.by(factor, covariates=wanted.style)
