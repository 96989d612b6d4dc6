"""`rostra arena`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rostra.mesh.cli.options import Config, HomeFolder, LogFormat
from rostra.mesh.errors import RostraError

KEY_VARIABLE = "ROSTRA_ARENA_API_KEY"
"""The environment variable with the arena's own key; it wins over the file's `api_key`."""


def arena(
    config: Config = None,
    home: HomeFolder = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    gateway_url: Annotated[
        str | None, typer.Option("--gateway", help="Base URL of the gateway.")
    ] = None,
    votes_url: Annotated[
        str | None,
        typer.Option(
            help="SQLAlchemy URL of the vote store. Default: SQLite in the home folder.",
            envvar="ROSTRA_VOTES_URL",
        ),
    ] = None,
    ratings_dir: Annotated[
        Path | None,
        typer.Option(help="Where `rostra rate` writes. Default: in the home folder."),
    ] = None,
    log_format: LogFormat = None,
) -> None:
    """Run the arena: blind battles, votes, and the leaderboard.

    Its key for the gateway is api_key in the file, or $ROSTRA_ARENA_API_KEY.
    """
    require_arena()
    import asyncio

    from rostra.arena.app import serve
    from rostra.arena.errors import ArenaError
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.cli.notify import tell_ready
    from rostra.mesh.home import Home
    from rostra.mesh.logs import log_to_stderr

    log_to_stderr("arena", log_format)
    place = Home.locate(home)
    # Secrets come by the environment where files are for everybody to read.
    api_key = os.environ.get(KEY_VARIABLE) or None
    given = RostraConfig.read(config)
    settings = given.arena_settings(
        host=host,
        port=port,
        gateway_url=gateway_url,
        votes_url=votes_url or given.arena.get("votes_url") or place.votes_url,
        api_key=api_key,
        ratings_dir=ratings_dir or given.arena.get("ratings_dir") or place.ratings,
    )

    def on_ready(url: str) -> None:
        print(f"arena ready on {url}", flush=True)
        tell_ready()

    try:
        asyncio.run(serve(settings, on_ready=on_ready))
    except ArenaError as error:
        raise RostraError(str(error)) from error


def require_arena() -> None:
    """Raises RostraError when the arena's packages are not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("panel", "sqlalchemy", "pymc") if find_spec(name) is None]
    if missing:
        raise RostraError(
            f"the arena needs {', '.join(missing)}: install them with pip install 'rostra[arena]'"
        )
