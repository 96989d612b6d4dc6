"""`rostra votes export`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_options import parse_time
from rostra.mesh.cli.votes_options import VotesUrl, opened_store

if TYPE_CHECKING:
    from rostra.arena.votes.transfer.export import Exported


class Form(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"
    LMSYS_BATTLES = "lmsys-battles"
    LMSYS_LOG = "lmsys-log"
    CSV = "csv"
    PAIRS = "pairs"


class Identities(StrEnum):
    HASHED = "hashed"
    STRIPPED = "stripped"
    KEPT = "kept"


class BothBadLabel(StrEnum):
    TIE = "tie (bothbad)"
    OWN = "both_bad"


def export(
    file: Annotated[str, typer.Argument(help="File to write; - for standard output.")],
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    form: Annotated[
        Form | None,
        typer.Option(
            help="jsonl is the log, which `rostra votes verify` can check. Default: by the file's "
            "ending (.jsonl, .parquet, .json: lmsys-battles, -conv.json: lmsys-log, .csv)."
        ),
    ] = None,
    identities: Annotated[
        Identities,
        typer.Option(
            help="Voters' pseudonyms: hashed again with a salt that nobody keeps, left out, or as "
            "they are stored."
        ),
    ] = Identities.HASHED,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Questions, answers and settings.")
    ] = True,
    campaign: Annotated[
        list[str] | None,
        typer.Option(help="Votes of this campaign only. Repeat for more. Default: all."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Votes cast then or later. UTC.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Votes cast before then. UTC.")
    ] = None,
    both_bad: Annotated[
        BothBadLabel,
        typer.Option(help='What "both bad" is called in the forms of LMSYS; both_bad is newer.'),
    ] = BothBadLabel.TIE,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the votes to a file: our own verifiable log, Parquet, or the forms of LMSYS."""
    with opened_store(config, home, votes_url) as engine:
        from rostra.arena.votes.transfer.export import Exporter, ExportOptions
        from rostra.arena.votes.transfer.forms import form_of
        from rostra.arena.votes.transfer.output import output
        from rostra.arena.votes.transfer.reading import Filter

        options = ExportOptions(
            form=form.value if form else form_of(file),
            identities=identities.value,
            texts=texts,
            both_bad=both_bad.value,
            wanted=Filter(
                tuple(campaign or ()), parse_time("--since", since), parse_time("--until", until)
            ),
        )
        with output(file, force=force) as stream:
            exported = Exporter(engine, options).write(stream)
    _tell(exported, file, options.form)


def _tell(exported: Exported, file: str, form: str) -> None:
    """On standard error, as the votes may be on standard output."""
    console = Console(stderr=True)
    where = "standard output" if file == "-" else file
    console.print(f"Wrote {exported.written:,} votes to {where} ({form}).", **PLAIN)
    for reason, count in exported.left_out:
        console.print(f"left out: {count:,} × {reason}", **PLAIN)
    if exported.without_images:
        console.print(
            f"without their images: {exported.without_images:,} votes; jsonl with texts has them",
            **PLAIN,
        )
    if form == Form.JSONL and not exported.verifiable:
        console.print("This is a part of the log, whose chain cannot be verified.", **PLAIN)
