"""`rostra rate`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.ratings.counts import PairCounts
    from rostra.arena.ratings.posterior import Posterior
    from rostra.arena.ratings.sampling import Progress
    from rostra.arena.ratings.settings import Anchor, FitSettings

REPORT = "intervals.html"


def rate(
    config: Config = None,
    home: HomeFolder = None,
    votes_url: Annotated[
        str | None,
        typer.Option(help="SQLAlchemy URL of the vote store. Default: SQLite in the home folder."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results, a new one in it each time. Default: in the home folder.",
            file_okay=False,
        ),
    ] = None,
    chains: Annotated[int, typer.Option(help="Markov chains.")] = 4,
    draws: Annotated[int, typer.Option(help="Draws kept of each chain.")] = 1000,
    tune: Annotated[int, typer.Option(help="Draws of each chain before those.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same votes and seed give the same ratings.")] = 1,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=RATING",
            help="Contestant whose rating fixes the scale. Default: the field's mean is 1000.",
        ),
    ] = None,
) -> None:
    """Rate the contestants from the votes, with credible intervals; write what the arena shows."""
    require_arena()
    from rostra.arena.errors import ArenaError
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.home import Home

    place = Home.locate(home)
    given = RostraConfig.read(config).arena
    try:
        _rate(
            votes_url=votes_url or given.get("votes_url") or place.votes_url,
            directory=Path(out or given.get("ratings_dir") or place.ratings),
            settings=_settings(chains, draws, tune, seed, anchor),
        )
    except ArenaError as error:
        raise RostraError(str(error)) from error


def _rate(votes_url: str, directory: Path, settings: FitSettings) -> None:
    from rostra.mesh.cli.rating_table import rating_table

    console = Console()
    counts = read_counts(votes_url)
    with _progress(console, counts) as progress:
        # Here, because the import takes seconds too and the spinner should be seen.
        from rostra.arena.ratings.fit import fit

        posterior = fit(counts, settings, progress)
    folder = posterior.save(directory)
    report = _write_report(posterior, folder)
    console.print(rating_table(posterior))
    console.print(posterior.summary, style=None if posterior.diagnostics.ok else "bold red")
    console.print(f"Wrote {folder} and {report.name} in it.", soft_wrap=True, highlight=False)


def read_counts(votes_url: str) -> PairCounts:
    """Counts of the blind votes in the store.

    Raises RatingsError when there is none yet, ArenaError when the store cannot be read.
    """
    from sqlalchemy import make_url

    from rostra.arena.ratings.counts import PairCounts
    from rostra.arena.ratings.errors import RatingsError
    from rostra.arena.votes.store import VoteStore

    store = VoteStore(votes_url)
    try:
        rows = [(row.left, row.right, row.outcome) for row in store.comparisons()]
        revealed = store.counts().revealed_votes
    finally:
        store.close()
    if not rows:
        where = make_url(votes_url).render_as_string(hide_password=True)
        others = f" ({revealed} in rounds that were not blind)" if revealed else ""
        raise RatingsError(
            f"0 votes to rate from in {where}{others}: vote in the arena first (`rostra up`), "
            "or name another store with --votes-url"
        )
    return PairCounts.from_comparisons(rows)


def _write_report(posterior: Posterior, folder: Path) -> Path:
    from rostra.arena.ratings.plots.intervals import intervals
    from rostra.arena.ratings.plots.report import write_html

    return write_html(
        intervals(posterior), folder / REPORT, title="Ratings", text=posterior.summary
    )


def _settings(chains: int, draws: int, tune: int, seed: int, anchor: str | None) -> FitSettings:
    from rostra.arena.ratings.settings import Anchor, FitSettings

    return FitSettings(
        chains=chains,
        draws=draws,
        tune=tune,
        seed=seed,
        anchor=Anchor() if anchor is None else parse_anchor(anchor),
    )


def parse_anchor(text: str) -> Anchor:
    """`NAME=RATING`; the name may hold `=` itself. Raises RostraError for anything else."""
    from rostra.arena.ratings.settings import Anchor

    name, separator, rating = text.rpartition("=")
    try:
        if not (separator and name):
            raise ValueError
        return Anchor(float(rating), name)
    except ValueError:
        raise RostraError(
            f"--anchor {text!r} is not NAME=RATING, as in --anchor smollm2-135m=1000"
        ) from None


@contextmanager
def _progress(console: Console, counts: PairCounts) -> Iterator[Progress]:
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
            f"compiling the model for {len(counts.contestants)} contestants", total=None
        )

        def report(done: int, total: int) -> None:
            bar.update(
                task,
                description=f"sampling from {counts.num_votes:,} votes",
                completed=done,
                total=total,
            )

        yield report
