"""`rostra rate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.options import Config, HomeFolder, Strict, VotesFormat
from rostra.mesh.cli.rating_options import (
    BothBad,
    Engine,
    Factor,
    ModelOptions,
    Period,
    Ties,
    parse_anchor,
    parse_own,
)
from rostra.mesh.cli.rating_source import MALFORMED, Found, Source, chosen_source, one_line
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.ratings.board import Board
    from rostra.arena.ratings.engines.draws import Progress
    from rostra.arena.ratings.posterior import Posterior
    from rostra.arena.ratings.settings import FitSettings


def rate(
    config: Config = None,
    home: HomeFolder = None,
    votes: Annotated[
        Path | None,
        typer.Option(help="File of votes to rate, instead of the store.", dir_okay=False),
    ] = None,
    format: VotesFormat = None,
    strict: Strict = False,
    votes_url: Annotated[
        str | None,
        typer.Option(help="SQLAlchemy URL of the vote store. Default: SQLite in the home folder."),
    ] = None,
    campaign: Annotated[
        list[str] | None,
        typer.Option(help="Votes of this campaign of the store. Repeat for more. Default: all."),
    ] = None,
    imported: Annotated[
        bool,
        typer.Option("--imported/--no-imported", help="Votes that were imported into the store."),
    ] = True,
    from_: Annotated[
        Literal["people", "judges", "both"],
        typer.Option(
            "--from", help="Votes of people, verdicts of models (`rostra judge`), or both alike."
        ),
    ] = "people",
    judge: Annotated[
        list[str] | None,
        typer.Option(help="With --from: only this model's verdicts. Repeat for more."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results, a new one in it each time. Default: in the home folder; "
            "with one --campaign, where that one's leaderboard takes them from; not with --from.",
            file_okay=False,
        ),
    ] = None,
    model: Annotated[Ties, typer.Option(help="Likelihood of wins and ties.")] = Ties.DAVIDSON,
    side: Annotated[
        bool | None,
        typer.Option(
            "--side/--no-side",
            help="Let the answer on the left have an advantage of its own. Default: yes, except "
            "for counts by pair that do not tell sides.",
        ),
    ] = None,
    both_bad: Annotated[
        BothBad,
        typer.Option(help='Votes for "both bad": an outcome of their own, ties, or left out.'),
    ] = BothBad.OWN,
    by: Annotated[
        Factor | None,
        typer.Option(
            help="One rating for each category, language, week, or tag of the battles, partially "
            "pooled."
        ),
    ] = None,
    drift: Annotated[
        Period | None, typer.Option(help="Strengths that change from one period to the next.")
    ] = None,
    voters: Annotated[
        bool, typer.Option("--voters", help="Let careless and contrary voters count for less.")
    ] = False,
    judges: Annotated[
        bool,
        typer.Option(
            "--judges",
            help="Verdicts of models beside people's votes, each judge's biases estimated and "
            "taken out: of the side, of style, of its own family.",
        ),
    ] = False,
    verdicts: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --votes: file of a judge's verdicts, for --judges. Repeat for more.",
            dir_okay=False,
        ),
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JUDGE=NAMES",
            help="With --judges: contestants of a judge's own family. Repeat for more judges.",
        ),
    ] = None,
    style_control: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Ratings at equal style: of length, headers, lists, bold, code, emoji, those "
            "named, with commas between.",
        ),
    ] = None,
    tie_style: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Likewise, what moves the propensity to tie."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Votes cast then or later. UTC.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Votes cast before then. UTC.")
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=RATING",
            help="Contestant whose rating fixes the scale. Default: the field's mean is 1000.",
        ),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(help="nuts samples; laplace answers in a second, and samples if it must."),
    ] = Engine.NUTS,
    chains: Annotated[int, typer.Option(help="Markov chains.")] = 4,
    draws: Annotated[int, typer.Option(help="Draws kept of each chain.")] = 1000,
    tune: Annotated[
        int | None,
        typer.Option(help="Draws of each chain before those. Default: what the model needs."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same votes and seed give the same ratings.")] = 1,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Stay, look for new votes so often, and rate again when there are any.",
            min=0.1,
        ),
    ] = None,
) -> None:
    """Rate contestants from votes, with credible intervals; write what the arena shows.

    Exit codes: 0 rated; 2 nothing was rated, for the reason given; 3 rated, without the rows that
    were malformed.
    """
    require_arena()
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.home import Home

    place = Home.locate(home)
    given = RostraConfig.read(config).arena
    default_url = given.get("votes_url") or place.votes_url
    options = ModelOptions(
        ties=model,
        side=side,
        both_bad=both_bad,
        by=by,
        drift=drift,
        voters=voters,
        style_control=style_control,
        tie_style=tie_style,
        since=since,
        until=until,
        judges=judges or bool(verdicts),
    )
    families = parse_own(own or ())
    if own and not options.judges:
        raise RostraError("--own is of judges; give --judges")
    if options.judges and from_ == "people":
        # Of a file all votes are of people, but for those in --verdicts.
        from_ = "people" if votes is not None else "both"
    with one_line():
        source = chosen_source(
            *(votes, format, votes_url, default_url, strict, campaign or (), imported),
            givers=from_,
            judges=judge or (),
            verdicts=verdicts or (),
            families=families if options.judges else None,
        )
        rating = Rating(
            source,
            options,
            out
            or _published(Path(given.get("ratings_dir") or place.ratings), campaign or (), from_),
            _settings(chains, draws, tune, seed, anchor, engine),
        )
        malformed = rating.watch(watch) if watch is not None else rating.once()
    if malformed:
        raise typer.Exit(MALFORMED)


def _published(ratings: Path, campaigns: Sequence[str], givers: str = "people") -> Path:
    """Where the arena looks for the ratings of these campaigns: of people's votes alone."""
    from rostra.arena.campaigns.settings import DEFAULT, FOLDER

    if givers != "people":
        return ratings / f"from-{givers}"
    if len(campaigns) != 1 or campaigns[0] == DEFAULT:
        return ratings
    return ratings / FOLDER / campaigns[0]


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


PLAIN: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}


def _settings(
    chains: int, draws: int, tune: int | None, seed: int, anchor: str | None, engine: Engine
) -> FitSettings:
    from rostra.arena.ratings.settings import Anchor, FitSettings

    return FitSettings(
        chains=chains,
        draws=draws,
        tune=tune,
        seed=seed,
        anchor=Anchor() if anchor is None else parse_anchor(anchor),
        engine=engine.value,
    )


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
