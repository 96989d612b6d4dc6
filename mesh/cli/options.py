"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="A rostra.toml. Default: the built-in demo.", dir_okay=False
    ),
]
HomeFolder = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="ROSTRA_HOME",
        help="Folder for models, votes and logs. Default: the user's cache and data folders.",
        file_okay=False,
    ),
]
