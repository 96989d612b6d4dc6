"""`rostra judge agreement`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.judge_sources import OfJudges, People, StoreUrl, Verdicts, read
from rostra.mesh.cli.options import Config, HomeFolder, VotesFormat
from rostra.mesh.cli.rating_source import MALFORMED, one_line

if TYPE_CHECKING:
    from rostra.arena.ratings.judge_agreement import AgreementRow, JudgeAgreement


def agreement(
    config: Config = None,
    home: HomeFolder = None,
    votes: People = None,
    verdicts: Verdicts = None,
    format: VotesFormat = None,
    votes_url: StoreUrl = None,
    judge: OfJudges = None,
    rounds: Annotated[
        int, typer.Option(help="Resamples of the questions, for the intervals.", min=1)
    ] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 1,
    output: Annotated[
        Literal["table", "json"], typer.Option(help="How to print the figures.")
    ] = "table",
) -> None:
    """Compare judges with people, and people with each other, on the battles that both judged.

    A battle is a question, a turn of it and two contestants. Of people the majority counts.

    Exit codes: 0 compared; 2 nothing was, for the reason given; 3 compared, without the rows that
    were malformed.
    """
    require_arena()
    from rostra.arena.ratings.judge_agreement import judge_agreement

    with one_line():
        source = read(votes, verdicts or (), format, votes_url, judge or (), config, home)
        found = judge_agreement(source.votes, rounds, seed)
    notes = Console(stderr=output == "json")
    for line in source.notes:
        notes.print(line, **PLAIN)
    for reason, count in found.left_out:
        notes.print(f"left out: {count:,} × {reason}", **PLAIN)
    if output == "json":
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(asdict(found))).decode())
    else:
        for table in _tables(found):
            notes.print(table)
        notes.print(
            "Kappa is Cohen's; among people it is Krippendorff's alpha, and agreement that of "
            f"pairs of votes. Intervals: 95 %, from {rounds:,} resamples of the questions.",
            **PLAIN,
        )
    if source.malformed:
        raise typer.Exit(MALFORMED)


def _tables(found: JudgeAgreement) -> Iterator[Table]:
    """One for each two that are compared, with ties and without."""

    def heading(row: AgreementRow) -> str:
        who = f"among {row.first}" if row.first == row.second else f"{row.first} and {row.second}"
        return f"{who}, {'with' if row.ties else 'without'} ties"

    titles = dict.fromkeys(heading(row) for row in found.rows)
    for title in titles:
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("on", overflow="fold")
        for name in ("battles", "agreement", "95 %", "kappa", "95 %"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in found.rows:
            if heading(row) == title:
                table.add_row(row.subset, f"{row.battles:,}", *_cells(row))
        yield table


def _cells(row: AgreementRow) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def interval(value: tuple[float, float] | None) -> str:
        return "" if value is None else f"{value[0]:.3f} to {value[1]:.3f}"

    return (
        number(row.agreement),
        interval(row.agreement_95),
        number(row.kappa),
        interval(row.kappa_95),
    )
