"""`rostra audit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.options import Config, HomeFolder, Strict, VotesFormat
from rostra.mesh.cli.rating_source import MALFORMED, chosen_source, one_line

if TYPE_CHECKING:
    from rostra.arena.ratings.audit import Finding
    from rostra.mesh.cli.audit_subject import Subject

FOUND = 1
"""Exit code when there is a finding as bad as --fail-on says; mistakes of the caller are 2."""


def audit(
    result: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of a saved result. Default: the one that `rostra rate` saved last.",
            file_okay=False,
        ),
    ] = None,
    config: Config = None,
    home: HomeFolder = None,
    votes: Annotated[
        Path | None,
        typer.Option(
            help="File of the votes behind the result, in any format that `rostra rate` reads: "
            "for what their voters and times tell. Where no saved result is of these votes, they "
            "are rated for the audit alone.",
            dir_okay=False,
        ),
    ] = None,
    format: VotesFormat = None,
    strict: Strict = False,
    votes_url: Annotated[
        str | None,
        typer.Option(
            help="Likewise a vote store, by SQLAlchemy URL. Default: the arena's own, if the "
            "result is of its votes."
        ),
    ] = None,
    output: Annotated[
        Literal["table", "json"], typer.Option(help="How to print the findings.")
    ] = "table",
    fail_on: Annotated[
        Literal["warning", "fail", "never"],
        typer.Option(help="The least verdict for which the exit code is 1."),
    ] = "warning",
) -> None:
    """Tell which claims of the order the votes carry; write audit.json beside the result.

    Exit codes: 0 no finding; 1 a finding (see --fail-on); 2 nothing was audited, for the reason
    given; 3 no finding, but rows of the file were malformed.
    """
    require_arena()
    from rostra.mesh.cli import audit_subject
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.home import Home

    place = Home.locate(home)
    given = RostraConfig.read(config).arena
    own = given.get("votes_url") or place.votes_url
    with one_line():
        source = chosen_source(votes, format, votes_url, own, strict)
        subject = audit_subject.find(
            result,
            Path(given.get("ratings_dir") or place.ratings),
            None if votes is None and votes_url is None else source,
            source,
        )
        findings = _audited(subject)
    if output == "json":
        print(json.dumps(_document(subject, findings), indent=2, ensure_ascii=False))
    else:
        _print(subject, findings)
    bad = {"warning": {"warning", "fail"}, "fail": {"fail"}, "never": set()}[fail_on]
    if any(finding.verdict in bad for finding in findings):
        raise typer.Exit(FOUND)
    if subject.malformed:
        raise typer.Exit(MALFORMED)


def _audited(subject: Subject) -> tuple[Finding, ...]:
    """The findings, saved beside the result where there is one."""
    from rostra.arena.ratings import audit

    findings = audit.run(subject.evidence)
    if subject.folder is not None:
        audit.save(findings, subject.folder)
    return findings


def _document(subject: Subject, findings: tuple[Finding, ...]) -> dict[str, object]:
    """For --output json."""
    import msgspec

    from rostra.arena.ratings import audit

    return {
        "result": None if subject.folder is None else str(subject.folder),
        "votes": subject.posterior.board.num_votes,
        "contestants": len(subject.posterior.contestants),
        "notes": subject.notes,
        "findings": msgspec.to_builtins(findings),
        "sentences": audit.sentences(findings),
    }


def _print(subject: Subject, findings: tuple[Finding, ...]) -> None:
    from rostra.arena.ratings import audit
    from rostra.mesh.cli.audit_table import audit_table

    console = Console()
    console.print(audit_table(findings))
    wrote = [] if subject.folder is None else [f"Wrote {subject.folder / audit.FILE}."]
    for line in (*subject.notes, *wrote):
        console.print(line, **PLAIN)
