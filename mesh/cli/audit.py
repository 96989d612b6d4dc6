"""`rostra audit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.ratings.audit import Finding
    from rostra.arena.ratings.board import Board
    from rostra.arena.ratings.frame import Votes
    from rostra.arena.ratings.posterior import Posterior

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
    votes_url: Annotated[
        str | None,
        typer.Option(
            help="Likewise a vote store, by SQLAlchemy URL. Default: the arena's own, if the "
            "result is of its votes."
        ),
    ] = None,
    output: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to print the findings.")
    ] = "table",
    fail_on: Annotated[
        Literal["warning", "fail", "never"],
        typer.Option(help="The least verdict for which the exit code is 1."),
    ] = "warning",
) -> None:
    """Tell which claims of the order the votes carry; write audit.json beside the result.

    The exit code is 0 without findings, 1 with (see --fail-on), 2 when nothing could be audited.
    """
    require_arena()
    if votes is not None and votes_url is not None:
        raise RostraError("--votes and --votes-url both name the votes; give one of them")
    from rostra.arena.errors import ArenaError
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.home import Home

    place = Home.locate(home)
    given = RostraConfig.read(config).arena
    own = given.get("votes_url") or place.votes_url
    console = Console()
    try:
        subject = _Subject.find(
            result, Path(given.get("ratings_dir") or place.ratings), votes, votes_url, own
        )
        findings = subject.audited()
    except ArenaError as error:
        raise RostraError(str(error)) from error
    if output == "json":
        print(json.dumps(subject.document(findings), indent=2, ensure_ascii=False))
    else:
        from rostra.mesh.cli.audit_table import audit_table

        console.print(audit_table(findings))
        for line in subject.notes:
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    bad = {"warning": {"warning", "fail"}, "fail": {"fail"}, "never": set()}[fail_on]
    if any(finding.verdict in bad for finding in findings):
        raise typer.Exit(FOUND)


class _Subject:
    """A posterior, the votes behind it where they are known, and where its audit belongs."""

    def __init__(self, posterior: Posterior, folder: Path | None, votes: Votes | None) -> None:
        self._posterior = posterior
        self._folder = folder
        self._votes = votes
        self.notes: list[str] = []
        """For people, about what was audited."""

    @classmethod
    def find(
        cls, result: Path | None, ratings: Path, file: Path | None, url: str | None, own: str
    ) -> _Subject:
        """`own`: URL of the arena's own store, for when no other votes are named."""
        from rostra.arena.ratings import storage
        from rostra.arena.ratings.errors import RatingsError

        votes, board = _named(file, url)
        folder = result or storage.latest(ratings)
        posterior = None if folder is None else storage.load(folder)
        if board is None:
            if posterior is None:
                raise RatingsError(
                    f"no ratings in {ratings}: run `rostra rate`, or give votes with --votes"
                )
            return cls(posterior, folder, _if_of(posterior, own))
        if posterior is not None and posterior.board.pooled.data_hash == board.data_hash:
            return cls(posterior, folder, votes)
        if result is not None and posterior is not None:
            raise RatingsError(
                f"{result} is not of these votes: it has {posterior.board.num_votes:,}, they are "
                f"{board.num_votes:,}; leave the folder out to have them rated for the audit"
            )
        subject = cls(_rated(board), None, votes)
        subject.notes.append(
            f"No saved result is of these {board.num_votes:,} votes: they were rated for this "
            "audit, and nothing was saved."
        )
        return subject

    def audited(self) -> tuple[Finding, ...]:
        """The findings, saved beside the result where there is one."""
        from rostra.arena.ratings import audit

        evidence = audit.Evidence.of(self._posterior, self._votes)
        findings = audit.run(evidence)
        if self._folder is not None:
            self.notes.append(f"Wrote {audit.save(findings, self._folder)}.")
        return findings

    def document(self, findings: tuple[Finding, ...]) -> dict[str, object]:
        """For --format json."""
        import msgspec

        from rostra.arena.ratings import audit

        return {
            "result": None if self._folder is None else str(self._folder),
            "votes": self._posterior.board.num_votes,
            "contestants": len(self._posterior.contestants),
            "findings": msgspec.to_builtins(findings),
            "sentences": audit.sentences(findings),
        }


def _named(file: Path | None, url: str | None) -> tuple[Votes | None, Board | None]:
    """The votes that an option names, and their counts by pair; counts alone have no votes."""
    from rostra.arena.ratings.reduce import reduce

    if url is not None:
        stored = _stored(url)
        return stored, reduce(stored)
    if file is None:
        return None, None
    from rostra.arena.imports.files import ImportedCounts, read_votes

    imported = read_votes(file)
    if isinstance(imported, ImportedCounts):
        return None, imported.board
    return imported.votes, reduce(imported.votes)


def _stored(url: str) -> Votes:
    """The blind votes of a store. Raises RatingsError when there are none."""
    import polars as pl

    from rostra.arena.ratings.errors import RatingsError
    from rostra.arena.ratings.frame import SCHEMA
    from rostra.arena.votes.store import VoteStore

    store = VoteStore(url)
    try:
        rows = store.comparisons()
    finally:
        store.close()
    if not rows:
        raise RatingsError("0 votes to audit in the store that --votes-url names")
    columns = ("left", "right", "outcome", "at", "voter")
    return pl.DataFrame(
        {name: [getattr(row, name) for row in rows] for name in columns},
        schema={name: SCHEMA[name] for name in columns},
    )


def _if_of(posterior: Posterior, url: str) -> Votes | None:
    """The votes of the arena's own store, if the posterior is of them."""
    from sqlalchemy import make_url

    from rostra.arena.ratings.errors import RatingsError
    from rostra.arena.ratings.reduce import reduce

    database = make_url(url)
    if database.get_backend_name() == "sqlite" and not Path(database.database or "").is_file():
        return None
    try:
        votes = _stored(url)
    except RatingsError:
        return None
    board = reduce(votes, contestants=posterior.contestants)
    return votes if board.data_hash == posterior.board.pooled.data_hash else None


def _rated(board: Board) -> Posterior:
    from rostra.arena.ratings.fit import fit
    from rostra.arena.ratings.settings import FitSettings

    return fit(board, FitSettings(engine="laplace"))
