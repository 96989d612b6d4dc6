"""`rostra mesh token`: tokens by which workers join."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from rostra.mesh.errors import RostraError

app = typer.Typer(help="Make the tokens by which workers join.", no_args_is_help=True)

File = Annotated[Path, typer.Option(help="The file that `tokens` in \\[gateway.registry] names.")]
_DURATION = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@app.callback()
def token() -> None:
    """Make the tokens by which workers join."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Who will use it; logs say it.")],
    file: File,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="30d|2027-01-31",
            help="How long it is good for, in s, m, h, d or w, or until when. Default: for ever.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model that may be served. Repeat. Default: any."),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(
            help="A network (10.0.7.0/24) or a pattern of hosts (gpu-*) to join from. Repeat. "
            "Default: any."
        ),
    ] = None,
) -> None:
    """Make a token, add its hash to the file, and print it: once, since only its hash is stored."""
    from rostra.gateway.errors import GatewayError
    from rostra.gateway.membership.tokens import entry, new_token, read_tokens

    until = None if expires is None else parse_expiry(expires, datetime.now(UTC))
    try:
        known = read_tokens(file) if file.exists() else ()
        if any(one.name == name for one in known):
            raise RostraError(f"{file} has a token named '{name}' already: choose another name")
        secret, made = new_token(name, until, model or (), address or ())
    except GatewayError as error:
        raise RostraError(str(error)) from error
    _append(file, entry(made))
    typer.echo(f"Added '{name}' to {file}; gateways that use it take it from now on.", err=True)
    typer.echo("The token, which is not shown again:", err=True)
    typer.echo(secret)


@app.command(name="list")
def list_tokens(file: File) -> None:
    """Show the names of tokens, and what they are good for."""
    from rostra.gateway.errors import GatewayError
    from rostra.gateway.membership.tokens import read_tokens

    try:
        tokens = read_tokens(file)
    except GatewayError as error:
        raise RostraError(str(error)) from error
    now = datetime.now(UTC)
    for one in tokens:
        until = "for ever"
        if one.expires is not None:
            word = "expired" if one.expires <= now else "until"
            until = f"{word} {one.expires.astimezone(UTC).strftime('%Y-%m-%d %H:%M')} UTC"
        models = "any model" if one.models is None else ", ".join(one.models)
        addresses = "any address" if one.addresses is None else ", ".join(one.addresses)
        typer.echo(f"{one.name}: {until}; {models}; {addresses}")


def parse_expiry(text: str, now: datetime) -> datetime:
    """A time to come, by a duration or a date (UTC where it has no zone). Raises RostraError."""
    match = _DURATION.fullmatch(text)
    try:
        if match is not None:
            until = now + timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            until = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise RostraError(
            f"--expires {text!r}: write a duration, as 12h or 30d, or a date, as 2027-01-31"
        ) from None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    if until <= now:
        raise RostraError(f"--expires {text!r} is over already")
    return until.replace(microsecond=0)


def _append(file: Path, text: str) -> None:
    try:
        # Its names are nobody else's business, though the tokens are not in it.
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a+", encoding="utf-8") as stream:
            stream.seek(0)
            before = stream.read()
            gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
            stream.write(gap + text)
    except OSError as error:
        raise RostraError(f"cannot write {file}: {error.strerror}") from error
