"""`rostra votes import`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.votes_options import VotesUrl, opened_store
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.votes.transfer.importing import Imported
    from rostra.arena.votes.transfer.incoming import NotTaken

INCOMPLETE = 3
"""Exit code when rows were not taken. Other errors: 2."""


def import_(
    file: Annotated[Path, typer.Argument(help="File of votes.", dir_okay=False)],
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="rostra (our own JSON lines), lmsys-battles, lmsys-log, csv, tsv, jsonl, parquet, "
            "pairs, llmfao, mt-bench. Default: by name and content."
        ),
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option(
            help="Campaign that the battles belong to. Default: what the file says, or its name."
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take nothing from a file with a row that cannot be.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write each row that was not taken to this file: JSON lines of row, reason, "
            "detail.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Take votes from a file into the store: each once, marked as imported.

    Exit codes: 0 all rows were taken or were there already; 2 the file cannot be read, or --strict;
    3 some rows were not taken.
    """
    with opened_store(config, home, votes_url, must_exist=False) as engine:
        from rostra.arena.votes.transfer.importing import Importer
        from rostra.arena.votes.transfer.incoming import NotTaken
        from rostra.arena.votes.transfer.sources import source_of

        source = source_of(file, format)
        if strict:
            first = next((row for row in source.rows() if isinstance(row, NotTaken)), None)
            if first is not None:
                raise RostraError(
                    f"{file}: row {first.row:,}: {first.reason}; --strict takes nothing"
                )
        with _report(report) as refused:
            imported = Importer(engine, file, source, campaign, refused).run()
    _tell(imported, file, report)
    if imported.not_taken:
        raise typer.Exit(INCOMPLETE)


@contextmanager
def _report(path: Path | None) -> Iterator[Callable[[NotTaken], None]]:
    if path is None:
        yield lambda _: None
        return
    try:
        with path.open("w", encoding="utf-8") as file:
            yield lambda row: print(json.dumps(asdict(row), ensure_ascii=False), file=file)
    except OSError as error:
        raise RostraError(f"cannot write {path}: {error.strerror}") from None


def _tell(imported: Imported, file: Path, report: Path | None) -> None:
    console = Console()
    console.print(
        f"{file}: {imported.form} ({imported.because}); took {imported.taken:,} of "
        f"{imported.rows:,} rows",
        **PLAIN,
    )
    if imported.present:
        console.print(f"in the store already: {imported.present:,}", **PLAIN)
    for reason, count in imported.not_taken:
        console.print(f"not taken: {count:,} × {reason}", **PLAIN)
    if imported.untimed:
        console.print(
            f"{imported.untimed:,} of them do not say when they were cast; the store has the time "
            "of this import",
            **PLAIN,
        )
    if imported.unsampled:
        console.print(
            f"{imported.unsampled:,} of them are not sampled by their dedup_tag: LMSYS's board "
            "leaves them out, and a rating from the store does not",
            **PLAIN,
        )
    if report is not None:
        console.print(f"Wrote {report}.", **PLAIN)
    elif imported.not_taken:
        console.print("--report FILE names each row.", **PLAIN)
