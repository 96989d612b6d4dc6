"""`rostra votes tag`."""

from __future__ import annotations

from typing import Annotated

import typer

from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.votes_options import VotesUrl, opened_store


def tag(
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    by_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Let a model decide, instead of the rules."),
    ] = None,
    gateway: Annotated[
        str, typer.Option(metavar="URL", help="Gateway that serves it.")
    ] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None,
        typer.Option(envvar="ROSTRA_API_KEY", help="Key for the gateway, where it asks for one."),
    ] = None,
) -> None:
    """Tag battles by language, code, maths, length and turns: those that were not yet."""
    with opened_store(config, home, votes_url) as engine:
        from rostra.arena.tags.by_model import ModelTagger
        from rostra.arena.tags.tagger import tag_battles, tag_by_rules

        if by_model is None:
            done, by = tag_by_rules(engine), "the rules"
        else:
            with ModelTagger(gateway, by_model, api_key) as tagger:
                done, by = tag_battles(engine, tagger), by_model
    typer.echo(f"{done:,} battles tagged by {by}.")
