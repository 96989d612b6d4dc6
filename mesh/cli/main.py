"""The entry point: every command, and how errors are shown."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.access import app as access
from rostra.mesh.cli.adapters import app as adapters
from rostra.mesh.cli.arena import arena
from rostra.mesh.cli.audit import audit
from rostra.mesh.cli.chat import chat
from rostra.mesh.cli.gateway import gateway
from rostra.mesh.cli.judge import app as judge
from rostra.mesh.cli.keys import app as keys
from rostra.mesh.cli.mesh import app as mesh
from rostra.mesh.cli.models import app as models
from rostra.mesh.cli.rate import rate
from rostra.mesh.cli.train import app as train
from rostra.mesh.cli.up import up
from rostra.mesh.cli.votes import app as votes
from rostra.mesh.cli.worker import worker
from rostra.mesh.errors import RostraError
from rostra.mesh.logs import logs_json

app = typer.Typer(
    name="rostra",
    help="Serve language models, let people judge them blind, and rate them with intervals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up)
app.command()(worker)
app.command()(gateway)
app.command()(arena)
app.command()(rate)
app.command()(audit)
app.command()(chat)
app.add_typer(mesh, name="mesh")
app.add_typer(models, name="models")
app.add_typer(adapters, name="adapters")
app.add_typer(keys, name="keys")
app.add_typer(access, name="access")
app.add_typer(votes, name="votes")
app.add_typer(judge, name="judge")
app.add_typer(train, name="train")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(version("rostra"))
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Serve language models, let people judge them blind, and rate them with intervals."""


def main() -> None:
    """Runs a command. What the user can mend is one line on stderr and exit code 2."""
    try:
        app(prog_name="rostra")
    except RostraError as error:
        if logs_json():
            logging.getLogger("rostra").critical("%s", error)
            sys.exit(2)
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]error:[/] {_escape(str(error))}", highlight=False
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    main()
