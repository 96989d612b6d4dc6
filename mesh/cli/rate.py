"""`rostra rate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

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
from rostra.mesh.cli.rating_run import Rating
from rostra.mesh.cli.rating_source import MALFORMED, chosen_source, one_line
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
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
