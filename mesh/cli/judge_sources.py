"""Where `rostra judge agreement` and `rostra judge rate` get votes and verdicts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    import polars as pl

People = Annotated[
    Path | None,
    typer.Option(
        "--votes",
        help="File of people's votes, in any format of single votes, instead of the store.",
        dir_okay=False,
    ),
]
Verdicts = Annotated[
    list[Path] | None,
    typer.Option(
        help="With --votes: file of a judge's verdicts, likewise. Repeat it for more judges.",
        dir_okay=False,
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(help="SQLAlchemy URL of the vote store. Default: SQLite in the home folder."),
]
OfJudges = Annotated[
    list[str] | None,
    typer.Option("--judge", help="Only this judge's verdicts. Repeat for more. Default: all."),
]


@dataclass(frozen=True)
class Read:
    votes: pl.DataFrame
    """A vote frame with `judge` and `prompt`."""
    notes: tuple[str, ...] = ()
    """Lines for people."""
    malformed: int = 0


def read(
    votes: Path | None,
    verdicts: Sequence[Path],
    format: str | None,
    votes_url: str | None,
    judges: Sequence[str],
    config: Path | None,
    home: Path | None,
) -> Read:
    """Raises RostraError for options that contradict each other, ArenaError for what cannot be
    read."""
    from typing import cast

    import polars as pl

    if bool(votes) != bool(verdicts):
        given, missing = ("--votes", "--verdicts") if votes else ("--verdicts", "--votes")
        raise RostraError(f"{given} without {missing}: name files of both, or neither")
    if votes is not None:
        from rostra.arena.imports.detect import Format
        from rostra.arena.imports.verdicts import read_judged

        if votes_url is not None:
            raise RostraError("--votes and --votes-url name two sources of votes; give one")
        chosen = None if format in (None, "auto") else cast("Format", format)
        found = read_judged(votes, verdicts, chosen)
        frame = found.votes
        notes = tuple(line for report in found.reports for line in report.lines())
        malformed = found.malformed
    else:
        from rostra.arena.votes.judged import judged_votes
        from rostra.mesh.cli.config import RostraConfig
        from rostra.mesh.home import Home

        if format is not None:
            raise RostraError("--format is for files; name them with --votes and --verdicts")
        default = RostraConfig.read(config).arena.get("votes_url") or Home.locate(home).votes_url
        frame, notes, malformed = judged_votes(votes_url or default), (), 0
    if judges:
        known = frame["judge"].drop_nulls().unique().sort().to_list()
        if unknown := [name for name in judges if name not in known]:
            raise RostraError(
                f"--judge {unknown[0]!r}: the verdicts are of {', '.join(known) or 'nobody'}"
            )
        frame = frame.filter(pl.col("judge").is_null() | pl.col("judge").is_in(list(judges)))
    return Read(frame, notes, malformed)
