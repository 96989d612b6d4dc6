"""What the commands of `rostra judge` share: whom they ask, progress, and how they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.judge.rows import RowFault
    from rostra.arena.judge.settings import JudgeSettings
    from rostra.arena.judge.tally import Tally
    from rostra.arena.settings import ArenaSettings

INCOMPLETE = 3
"""Exit code when some rows came to nothing. Other errors: 2."""
MOST_FAULTS = 20
"""Lines shown of rows that came to nothing; all are counted."""
LINE_EVERY = 10.0
"""Seconds between lines of progress where there is no terminal."""


@dataclass(frozen=True)
class Setup:
    """What the configuration says."""

    arena: ArenaSettings
    judges: tuple[JudgeSettings, ...]
    cache: Path
    """Folder of judges' replies."""

    def judges_named(self, names: Sequence[str]) -> list[JudgeSettings]:
        """All of them for no name. Raises RostraError for a name that is none, and for none."""
        if not self.judges:
            raise RostraError(
                "there is no judge: describe one in a [[judge]] table of the configuration, as in "
                "docs/judge.md"
            )
        known = {each.name: each for each in self.judges}
        return [_known("judge", known, name) for name in dict.fromkeys(names or known)]


def setup(config: Path | None, home: Path | None, gateway_url: str | None) -> Setup:
    import os

    from rostra.mesh.cli.arena import KEY_VARIABLE
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.home import Home

    place = Home.locate(home)
    given = RostraConfig.read(config)
    arena = given.arena_settings(
        gateway_url=gateway_url,
        api_key=os.environ.get(KEY_VARIABLE) or None,
        votes_url=given.arena.get("votes_url") or place.votes_url,
        ratings_dir=given.arena.get("ratings_dir") or place.ratings,
    )
    return Setup(arena, given.judges(), place.cache / "judges")


def named(kind: str, known: Sequence[str], names: Sequence[str]) -> list[str]:
    """`names`, all of `known` for none. Raises RostraError for one that is not known."""
    return [_known(kind, {name: name for name in known}, each) for each in names or known]


def _known(kind: str, known: dict[str, Any], name: str) -> Any:
    if name not in known:
        raise RostraError(f"there is no {kind} {name!r}; there are {', '.join(known) or 'none'}")
    return known[name]


@contextmanager
def progress(
    description: str, console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Tally], None]]:
    """A bar on a terminal; elsewhere a line now and then."""
    if not console.is_terminal:
        last = clock()

        def line(tally: Tally) -> None:
            nonlocal last
            if clock() - last >= LINE_EVERY:
                last = clock()
                console.print(f"{description}: {tally.done:,} of {tally.total:,}", **PLAIN)

        yield line
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[spent]}", markup=False),
        console=console,
        transient=True,
    ) as bars:
        task = bars.add_task(description, total=None, spent="")

        def bar(tally: Tally) -> None:
            bars.update(task, completed=tally.done, total=tally.total, spent=spent(tally, ""))

        yield bar


def tell(description: str, tally: Tally, currency: str, console: Console) -> None:
    """What came of it, and each row that came to nothing."""
    words = {
        "given": "now",
        "known": "known from this run",
        "cached": "known from another",
        "nonsense": "nonsense",
        "refused": "refused",
        "failed": "failed",
    }
    parts = [f"{tally.counts[name]:,} {word}" for name, word in words.items() if tally.counts[name]]
    console.print(f"{description}: {', '.join(parts) or 'nothing to do'}", **PLAIN)
    if tally.prompt_tokens or tally.completion_tokens:
        console.print(f"asked for now: {spent(tally, currency)}", **PLAIN)
    for fault in tally.faults[:MOST_FAULTS]:
        console.print(fault, style="yellow", **PLAIN)
    if len(tally.faults) > MOST_FAULTS:
        console.print(f"and {len(tally.faults) - MOST_FAULTS:,} more", style="yellow", **PLAIN)


def tell_rows(faults: Sequence[RowFault], console: Console) -> None:
    """Rows of files that are not used."""
    for fault in faults[:MOST_FAULTS]:
        console.print(str(fault), style="yellow", **PLAIN)
    if len(faults) > MOST_FAULTS:
        console.print(f"and {len(faults) - MOST_FAULTS:,} more rows", style="yellow", **PLAIN)


def spent(tally: Tally, currency: str) -> str:
    tokens = f"{tally.prompt_tokens:,} + {tally.completion_tokens:,} tokens"
    return tokens if tally.cost is None else f"{tokens}, {money(tally.cost, currency)}"


def money(cost: float, currency: str) -> str:
    return f"{cost:,.4f} {currency}".rstrip()
