"""`rostra judge report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.judge_work import money, setup
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_source import one_line

if TYPE_CHECKING:
    from rostra.arena.judge.report import Report

OWN = " (its own model)"


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.", file_okay=False)],
    config: Config = None,
    home: HomeFolder = None,
    output: Annotated[Literal["table", "json"], typer.Option(help="How to print it.")] = "table",
) -> None:
    """Print scores, comparisons, and how each judge behaved and what it cost."""
    require_arena()
    given = setup(config, home, None)
    with one_line():
        from rostra.arena.judge.folder import read
        from rostra.arena.judge.report import report as made

        found = made(read(folder), {each.name: each for each in given.judges})
    if output == "json":
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    console = Console()
    if not found.judges:
        console.print(f"{folder}: no verdicts yet; `rostra judge pairs` asks for some", **PLAIN)
    for table in tables(found, given.arena.currency):
        console.print(table)


def tables(found: Report, currency: str) -> Iterator[Table]:
    if found.graded:
        turns = sorted({turn for each in found.graded for turn in each.turns})
        yield _table(
            ("judge", "contestant", "answers", "score", *(f"turn {turn}" for turn in turns)),
            (
                (
                    each.judge,
                    each.contestant + (OWN if each.own else ""),
                    f"{each.number:,}",
                    f"{each.mean:.2f}",
                    *(f"{each.turns[turn]:.2f}" if turn in each.turns else "" for turn in turns),
                )
                for each in found.graded
            ),
        )
    if found.compared:
        yield _table(
            ("judge", "contestant", "won", "tied", "lost", "share"),
            (
                (
                    each.judge,
                    each.contestant + (OWN if each.own else ""),
                    *(f"{number:,}" for number in (each.wins, each.ties, each.losses)),
                    f"{each.share:.1%}",
                )
                for each in found.compared
            ),
        )
    if found.judges:
        yield _table(
            (
                *("judge", "verdicts", "nonsense", "refused", "one order only", "consistent"),
                *("always first", "always second", "on itself", "tokens", "cost"),
            ),
            (
                (
                    each.judge,
                    *(f"{n:,}" for n in (each.verdicts, each.nonsense, each.refused, each.halves)),
                    "" if each.consistent is None else f"{each.consistent:.1%}",
                    *(f"{number:,}" for number in (each.first, each.second, each.own)),
                    f"{each.prompt_tokens:,} + {each.completion_tokens:,}",
                    "" if each.cost is None else money(each.cost, currency),
                )
                for each in found.judges
            ),
        )


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if heading in ("judge", "contestant") else "right",
                         overflow="fold" if place < 2 else "ellipsis")  # fmt: skip
    for row in rows:
        table.add_row(*map(Text, row))
    return table
