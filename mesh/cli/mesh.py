"""`rostra mesh`: who is in the mesh, and who may join it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rostra.mesh.cli.mesh_tokens import app as token
from rostra.mesh.errors import RostraError

app = typer.Typer(
    help="Show the members of a mesh, and make the tokens by which workers join it.",
    no_args_is_help=True,
)
app.add_typer(token, name="token")
HTTPS = "A gateway behind https://"


@app.callback()
def mesh() -> None:
    """Show the members of a mesh, and make the tokens by which workers join it."""


@app.command()
def status(
    gateway: Annotated[
        str, typer.Option(help="URL of a gateway: any of the mesh.")
    ] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="ROSTRA_API_KEY",
            help="Where the gateway wants one.",
            show_envvar=True,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, and show what changes, until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what the gateway says, as JSON.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 1.0,
    ca: Annotated[
        Path | None,
        typer.Option(
            help="Authorities to trust, in PEM. Default: the system's.", rich_help_panel=HTTPS
        ),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(
            help="Your own certificate, for gateways that want one.", rich_help_panel=HTTPS
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The key of --cert.", rich_help_panel=HTTPS)
    ] = None,
) -> None:
    """Show each member: whether it serves, its models, load, cache and version."""
    from rostra.mesh.cli.mesh_status import Gateway, HttpsFiles, follow, show

    if watch and as_json:
        raise RostraError("--watch draws a table: leave out --json, or ask again and again")
    source = Gateway(gateway, api_key, HttpsFiles(ca, cert, key))
    if watch:
        follow(source, interval)
    else:
        show(source, as_json=as_json)
