"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="A rostra.toml. Default: the built-in demo.", dir_okay=False
    ),
]
VotesFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Of the file: csv, tsv, jsonl, parquet, pairs, lmsys-log, lmsys-battles, llmfao, "
        "mt-bench. Default: auto, by its name and content.",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"] | None,
    typer.Option(
        "--log-format",
        envvar="ROSTRA_LOG_FORMAT",
        help="Of what is logged: text, or an object in JSON a line. Default: text.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file with a malformed row.")]
HomeFolder = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="ROSTRA_HOME",
        help="Folder for models, votes and logs. Default: the user's cache and data folders.",
        file_okay=False,
    ),
]
