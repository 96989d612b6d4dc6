"""`rostra keys`: keys for the callers of a gateway."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.gateway.api_keys import ApiKey
    from rostra.gateway.key_file import KeyFile

app = typer.Typer(
    help="Make and manage API keys for the callers of a gateway.",
    no_args_is_help=True,
)

_WIDE = 1000
Name = Annotated[str, typer.Argument(help="Of the key; logs say it.")]
Place = Annotated[Path, typer.Option("--file", help="The file of `rostra gateway --api-keys`.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="A model it may use. Repeat for more. Default: all."),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        "-s",
        help="What it is for: inference, models, operate. Repeat for more. Default: the first two.",
    ),
]
Expires = Annotated[
    datetime | None,
    typer.Option(
        help="The moment from which it is none, in UTC.",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    ),
]
Requests = Annotated[int | None, typer.Option(help="The most of any minute; 0: no limit.")]
Tokens = Annotated[
    int | None,
    typer.Option(help="The most of any minute, prompts and answers together; 0: no limit."),
]
Concurrent = Annotated[
    int | None, typer.Option(help="The most that run or wait at once; 0: no limit.")
]
Priority = Annotated[
    int | None,
    typer.Option(help="The lowest number, which runs first, that its requests may ask for."),
]
Weight = Annotated[float | None, typer.Option(help="Of its share where keys wait. Default: 1.")]


@app.callback()
def keys() -> None:
    """Make and manage API keys for the callers of a gateway."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Who will use the key; logs say it.")],
    model: Models = None,
    scope: Scopes = None,
    expires: Expires = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    max_concurrent: Concurrent = None,
    max_priority: Priority = None,
    weight: Weight = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Add the entry to this file, for `rostra gateway --api-keys`."),
    ] = None,
) -> None:
    """Make a key and print it: once, since only its hash is stored."""
    from rostra.gateway.api_keys import new_key
    from rostra.gateway.key_file import changing, entry

    with _told():
        secret, key = new_key(
            name,
            model or (),
            scopes=scope,
            expires=_utc(expires),
            requests_per_minute=requests_per_minute or None,
            tokens_per_minute=tokens_per_minute or None,
            max_concurrent=max_concurrent or None,
            max_priority=max_priority,
            weight=weight,
        )
        if file is not None:
            with changing(file, create=True) as changed:
                changed.add(key)
    if file is not None:
        typer.echo(f"Added '{name}' to {file}.", err=True)
    else:
        typer.echo(f"For the file of `rostra gateway --api-keys`:\n\n{entry(key)}", err=True)
    _show(secret)


@app.command(name="list")
def show(file: Place) -> None:
    """Show the keys of a file: never a key itself, nor its hash."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rostra.gateway.api_keys import ApiKeys

    with _told():
        known = ApiKeys.read(file)
    table = Table("name", "state", "scopes", "models", "limits", box=None, pad_edge=False)
    now = datetime.now(UTC)
    for key in known.all:
        models = "all" if key.models is None else ", ".join(key.models)
        scopes = ", ".join(key.scopes)
        table.add_row(key.name, _state(key, now), scopes, escape(models), _limits(key))
    # What programs read has one line for each key.
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE).print(table)


@app.command()
def revoke(name: Name, file: Place) -> None:
    """Take a key out of the file, for good."""
    with _changing(file) as changed:
        changed.remove(name)
    typer.echo(f"Revoked '{name}'.", err=True)


@app.command()
def disable(name: Name, file: Place) -> None:
    """Let a key rest, until it is enabled again."""
    with _changing(file) as changed:
        changed.change(name, disabled=True)
    typer.echo(f"Disabled '{name}'.", err=True)


@app.command()
def enable(name: Name, file: Place) -> None:
    """Let a key work again that was disabled."""
    with _changing(file) as changed:
        changed.change(name, disabled=None)
    typer.echo(f"Enabled '{name}'.", err=True)


@app.command()
def rotate(name: Name, file: Place) -> None:
    """Make a new secret for a key, and print it: the old one works no more. The rest stays."""
    from rostra.gateway.api_keys import digest_of, new_secret

    secret = new_secret()
    with _changing(file) as changed:
        changed.change(name, sha256=digest_of(secret))
    _show(secret)


@app.command()
def limit(
    name: Name,
    file: Place,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    max_concurrent: Concurrent = None,
    max_priority: Priority = None,
    weight: Weight = None,
    expires: Expires = None,
) -> None:
    """Change the limits of a key; those that are not named stay."""
    given: dict[str, Any] = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "max_concurrent": max_concurrent,
        "max_priority": max_priority,
        "weight": weight,
        "expires": _utc(expires),
    }
    given = {field: value for field, value in given.items() if value is not None}
    if not given:
        raise RostraError("name a limit to change, for instance --requests-per-minute 60")
    for field in ("requests_per_minute", "tokens_per_minute", "max_concurrent"):
        if given.get(field) == 0:
            given[field] = None
    with _changing(file) as changed:
        changed.change(name, **given)
    typer.echo(f"Changed '{name}'.", err=True)


@contextlib.contextmanager
def _changing(file: Path) -> Iterator[KeyFile]:
    from rostra.gateway.key_file import changing

    with _told(), changing(file) as changed:
        yield changed


@contextlib.contextmanager
def _told() -> Iterator[None]:
    from rostra.gateway.errors import GatewayError

    try:
        yield
    except GatewayError as error:
        raise RostraError(str(error)) from error


def _show(secret: str) -> None:
    typer.echo("The key, which is not shown again:", err=True)
    typer.echo(secret)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _state(key: ApiKey, now: datetime) -> str:
    if key.disabled:
        return "disabled"
    if key.expires is None:
        return "works"
    end = f"{key.expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"expired {end}" if key.expired(now) else f"until {end}"


def _limits(key: ApiKey) -> str:
    parts = [
        f"{number} {what}"
        for number, what in (
            (key.requests_per_minute, "requests/min"),
            (key.tokens_per_minute, "tokens/min"),
            (key.max_concurrent, "at once"),
        )
        if number is not None
    ]
    if key.max_priority:
        parts.append(f"priority {key.max_priority}")
    if key.weight != 1:
        parts.append(f"weight {key.weight:g}")
    return ", ".join(parts) or "none"
