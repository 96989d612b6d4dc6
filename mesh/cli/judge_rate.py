"""`rostra judge rate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.judge_sources import OfJudges, People, StoreUrl, Verdicts, read
from rostra.mesh.cli.options import Config, HomeFolder, VotesFormat
from rostra.mesh.cli.rating_options import parse_anchor
from rostra.mesh.cli.rating_source import MALFORMED, one_line

if TYPE_CHECKING:
    from rostra.arena.ratings.classical import PredictionPowered


def rate(
    config: Config = None,
    home: HomeFolder = None,
    votes: People = None,
    verdicts: Verdicts = None,
    format: VotesFormat = None,
    votes_url: StoreUrl = None,
    judge: OfJudges = None,
    model: Annotated[
        Literal["davidson", "bradley-terry"],
        typer.Option(help="Likelihood of people's votes; bradley-terry counts a tie as half wins."),
    ] = "davidson",
    side: Annotated[
        bool, typer.Option("--side/--no-side", help="An advantage of the answer on the left.")
    ] = True,
    both_bad: Annotated[
        Literal["out", "tie"], typer.Option(help='Votes for "both bad": left out, or ties.')
    ] = "out",
    cluster: Annotated[
        Literal["battle", "question"],
        typer.Option(help="What is drawn independently; question where there are few of them."),
    ] = "battle",
    power: Annotated[
        float | None,
        typer.Option(
            help="How far verdicts are used, 0 to 1. Default: as makes intervals narrowest.",
            min=0,
            max=1,
        ),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=RATING",
            help="Contestant whose rating fixes the scale. Default: the field's mean is 1000.",
        ),
    ] = None,
    output: Annotated[
        Literal["table", "json"], typer.Option(help="How to print the ratings.")
    ] = "table",
) -> None:
    """Rate by few votes of people and many verdicts, without the judge's bias (prediction-powered).

    Exit codes: 0 rated; 2 nothing was rated, for the reason given; 3 rated, without the rows that
    were malformed.
    """
    require_arena()
    from rostra.arena.ratings.classical import PoweredSettings, matched, prediction_powered
    from rostra.arena.ratings.settings import Anchor

    settings = PoweredSettings(
        ties="half" if model == "bradley-terry" else model,
        side=side,
        both_bad=both_bad,
        cluster=cluster,
        power=power,
        anchor=Anchor() if anchor is None else parse_anchor(anchor),
    )
    with one_line():
        source = read(votes, verdicts or (), format, votes_url, judge or (), config, home)
        data = matched(source.votes, both_bad=both_bad, cluster=cluster)
        found = prediction_powered(data, settings)
    notes = Console(stderr=output == "json")
    for line in source.notes:
        notes.print(line, **PLAIN)
    if output == "json":
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(_plain(found))).decode())
    else:
        notes.print(_table(found))
    notes.print(
        f"{found.votes:,} votes, {found.paired:,} of them corrected by verdicts on the same battle "
        f"and on {found.verdicts:,} others, at a power of {found.power:.2f}: worth "
        f"{found.worth:.2f} times as many votes of people.",
        **PLAIN,
    )
    if found.unused:
        notes.print(
            f"{found.unused:,} verdicts correct nothing: people voted on no battle of their kind "
            "(the two contestants, in the order the judge saw them), or they are alone of it.",
            **PLAIN,
        )
    if source.malformed:
        raise typer.Exit(MALFORMED)


def _table(found: PredictionPowered) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("contestant", overflow="fold")
    for name in ("rating", "95 %", "people alone", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    low, high = found.interval()
    alone_low, alone_high = found.people_interval()
    for at in (-found.ratings).argsort(kind="stable"):
        table.add_row(
            found.contestants[at],
            f"{found.ratings[at]:.0f}",
            f"{low[at]:.0f} to {high[at]:.0f}",
            f"{found.people_ratings[at]:.0f}",
            f"{alone_low[at]:.0f} to {alone_high[at]:.0f}",
        )
    return table


def _plain(found: PredictionPowered) -> dict[str, object]:
    from dataclasses import asdict

    bounds, alone = found.interval(), found.people_interval()
    return {
        "settings": asdict(found.settings),
        "power": found.power,
        "votes": found.votes,
        "paired": found.paired,
        "verdicts": found.verdicts,
        "unused": found.unused,
        "worth": found.worth,
        "coefficients": dict(found.coefficients),
        "ratings": [
            {
                "contestant": name,
                "rating": float(found.ratings[i]),
                "interval_95": [float(side[i]) for side in bounds],
                "people_alone": float(found.people_ratings[i]),
                "people_alone_95": [float(side[i]) for side in alone],
            }
            for i, name in enumerate(found.contestants)
        ],
    }
