"""`rostra access`: what the configuration keeps of passwords and keys of an arena."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.errors import RostraError

app = typer.Typer(
    help="Make passwords and personal keys for the voters of an arena.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Of the entry; logs say it.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", "-g", help="A group of voters it belongs to. Repeat for more."),
]
Analyst = Annotated[bool, typer.Option("--analyst", help="Sees the analyst's pages.")]
Admin = Annotated[bool, typer.Option("--admin", help="Administers the arena.")]


@app.callback()
def access() -> None:
    """Make passwords and personal keys for the voters of an arena."""


@app.command()
def password(
    name: Name, group: Groups = None, analyst: Analyst = False, admin: Admin = False
) -> None:
    """Ask for a password, twice, or read it from standard input; print what rostra.toml keeps."""
    require_arena()
    from rostra.arena.access.passwords import hash_password

    if sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    try:
        kept = hash_password(given)
    except ValueError as error:
        raise RostraError(str(error)) from error
    _print("password", name, f'hash = "{kept}"', group or [], analyst, admin)


@app.command()
def key(
    name: Name,
    group: Groups = None,
    analyst: Analyst = False,
    admin: Admin = False,
    expires: Annotated[
        datetime | None,
        typer.Option(help="Moment after which it is none, in UTC.", formats=["%Y-%m-%d"]),
    ] = None,
) -> None:
    """Make a personal key; print what rostra.toml keeps, and the key: once."""
    require_arena()
    from rostra.arena.access.keys import new_key

    made, digest = new_key()
    kept = f'sha256 = "{digest}"'
    if expires is not None:
        kept += f"\nexpires = {expires:%Y-%m-%dT%H:%M:%S}Z"
    _print("key", name, kept, group or [], analyst, admin)
    typer.echo("The key, which is not shown again:", err=True)
    typer.echo(made, err=True)


def _print(table: str, name: str, kept: str, groups: list[str], analyst: bool, admin: bool) -> None:
    from pydantic import TypeAdapter, ValidationError

    from rostra.arena.access import settings

    for each in (name, *groups):
        try:
            TypeAdapter(settings.Name).validate_python(each)
        except ValidationError:
            raise RostraError(
                f"{each!r} is no name: use letters, digits, spaces and . _ -, 64 at most"
            ) from None
    lines = [f"[[arena.access.{table}]]", f'name = "{name}"', kept]
    if groups:
        lines.append("groups = [" + ", ".join(f'"{group}"' for group in groups) + "]")
    lines += [
        f"{right} = true" for right, given in (("analyst", analyst), ("admin", admin)) if given
    ]
    typer.echo("\n".join(lines))
