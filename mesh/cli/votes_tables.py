"""What is in a vote store as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from rostra.arena.votes.statistics import VoteStatistics
from rostra.mesh.cli.votes_options import counted


def tables(found: VoteStatistics, days: int) -> Iterator[Table]:
    """The whole, the last `days` days with votes, campaigns, contestants."""
    yield _whole(found)
    last = list(found.days.items())[:days]
    title = "votes" if len(last) == len(found.days) else f"votes, last {days} of {len(found.days)}"
    yield _table(("day", title), last)
    yield _table(
        ("campaign", "battles", "votes"),
        ((name, *counts) for name, counts in found.campaigns.items()),
    )
    yield _table(
        ("contestant", "battles", "votes", "won", "lost", "tied", "both bad"),
        (
            (name, each.battles, each.votes, each.won, each.lost, each.tied, each.both_bad)
            for name, each in found.contestants.items()
        ),
    )


def _whole(found: VoteStatistics) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")

    def line(name: str, value: str) -> None:
        table.add_row(name, Text(value))

    line("battles", _parts(found.battles))
    line("of these failed", f"{found.failed:,}")
    line("votes", _parts(found.votes))
    line("of these rated", f"{found.rated:,}")
    line("verdicts of models", f"{found.judged:,}")
    line("named by an answer", f"{found.revealed:,}")
    line("with reasons", f"{found.with_reasons:,}")
    entries = counted(found.log_seq, "entry", "entries")
    line("log", f"{entries}, head {found.log_head.hex()}")
    signed = found.signed
    line(
        "last checkpoint",
        f"entry {signed.seq:,} at {signed.at.isoformat()} by {signed.public_key.hex()}"
        if signed
        else "none",
    )
    return table


def _parts(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    parts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    return f"{total:,} ({parts})" if total else "0"


def _table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    first, *others = headings
    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right")
    for name, *numbers in rows:
        table.add_row(Text(str(name)), *(f"{number:,}" for number in numbers))
    return table
