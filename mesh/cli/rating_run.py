"""What `rostra rate` does with one source of votes: read, fit, save, show, and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.rating_options import ModelOptions
from rostra.mesh.cli.rating_source import Found, Source
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.ratings.board import Board
    from rostra.arena.ratings.engines.draws import Progress
    from rostra.arena.ratings.posterior import Posterior
    from rostra.arena.ratings.settings import FitSettings


class Rating:
    """One source of votes rated by one model, once or for as long as there are new votes."""

    def __init__(
        self, source: Source, options: ModelOptions, directory: Path, settings: FitSettings
    ) -> None:
        self._source = source
        self._options = options
        self._wanted = options.wanted()
        self._directory = directory
        self._settings = settings
        self._console = Console()

    def once(self) -> int:
        """Reads, fits, saves and shows. Returns how many rows were malformed."""
        from rostra.arena.publishing import REPORT, publish
        from rostra.arena.ratings import audit
        from rostra.mesh.cli.rating_table import level_tables, provenance_lines, rating_table

        console = self._console
        found = self._source.read(self._wanted)
        for note in found.notes:
            console.print(note, style="yellow" if found.malformed else None, **PLAIN)
        posterior = self._fit(found)
        published = publish(
            posterior, self._directory, lambda other: self._source.read(other).board, self._wanted
        )
        console.print(rating_table(posterior))
        for table in level_tables(posterior, console.width):
            console.print(table)
        for line in provenance_lines(posterior.provenance):
            console.print(line, **PLAIN)
        console.print(posterior.summary, style=None if posterior.diagnostics.ok else "bold red")
        for sentence in audit.sentences(published.findings):
            console.print(sentence, **PLAIN)
        console.print(f"Wrote {published.folder}, with {REPORT} and {audit.FILE} in it.", **PLAIN)
        return found.malformed

    def watch(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> int:
        """`once` now and whenever the votes have changed, in one process, so that what is compiled
        stays. An error is shown and the wait goes on. Ends when interrupted."""
        from rostra.arena.errors import ArenaError

        seen = object()
        while True:
            version = self._source.version()
            if version != seen:
                seen = version
                try:
                    self.once()
                except (ArenaError, RostraError) as error:
                    self._console.print(str(error), style="red", **PLAIN)
            sleep(seconds)

    def _fit(self, found: Found) -> Posterior:
        spec = self._options.spec(found.sided, own="own" in found.board.covariates)
        with _progress(self._console, found.board) as progress:
            # Here, because the import takes seconds too and the spinner should be seen.
            from rostra.arena.ratings.fit import fit

            return fit(found.board, self._settings, progress, spec, found.provenance)


@contextmanager
def _progress(console: Console, board: Board) -> Iterator[Progress]:
    """A bar that begins when the draws do; until then a spinner, as compiling takes a while."""
    with ProgressBar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(
            f"preparing the model for {len(board.contestants)} contestants", total=None
        )

        def report(done: int, total: int) -> None:
            bar.update(
                task,
                description=f"sampling from {board.num_votes:,} votes",
                completed=done,
                total=total,
            )

        yield report
