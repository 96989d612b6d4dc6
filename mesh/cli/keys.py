"""`rostra keys`: keys for the callers of a gateway."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rostra.mesh.errors import RostraError

app = typer.Typer(
    help="Make API keys for the callers of a gateway.",
    no_args_is_help=True,
)


@app.callback()
def keys() -> None:
    """Make API keys for the callers of a gateway."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Who will use the key; logs say it.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model it may use. Repeat for more. Default: all."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Add the entry to this file, for `rostra gateway --api-keys`."),
    ] = None,
) -> None:
    """Make a key and print it: once, since only its hash is stored."""
    from rostra.gateway.api_keys import ApiKeys, entry, new_key
    from rostra.gateway.errors import GatewayError

    try:
        secret, key = new_key(name, model or ())
        if file is not None and file.exists() and ApiKeys.read(file).named(name) is not None:
            raise RostraError(f"{file} has a key named '{name}' already: choose another name")
    except GatewayError as error:
        raise RostraError(str(error)) from error
    if file is not None:
        _append(file, entry(key))
        typer.echo(f"Added '{name}' to {file}; a gateway reads it when it starts.", err=True)
    else:
        typer.echo(f"For the file of `rostra gateway --api-keys`:\n\n{entry(key)}", err=True)
    typer.echo("The key, which is not shown again:", err=True)
    typer.echo(secret)


def _append(file: Path, text: str) -> None:
    try:
        # Its names and models are nobody else's business, though the keys are not in it.
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a+", encoding="utf-8") as stream:
            stream.seek(0)
            before = stream.read()
            gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
            stream.write(gap + text)
    except OSError as error:
        raise RostraError(f"cannot write {file}: {error.strerror}") from error
