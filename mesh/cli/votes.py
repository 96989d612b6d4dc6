"""`rostra votes`: the log of votes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_source import one_line
from rostra.mesh.cli.votes_export import export
from rostra.mesh.cli.votes_import import import_
from rostra.mesh.cli.votes_options import VotesUrl, counted, opened_store
from rostra.mesh.cli.votes_redact import redact
from rostra.mesh.cli.votes_tag import tag
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.votes.log.checking import Verified
    from rostra.arena.votes.log.checkpoints import SignedHead

BROKEN = 1
"""Exit code when a log is not what it was; what keeps it from being checked is 2."""
KEY = "votes.key"

app = typer.Typer(
    help="Verify, sign, count, export, import, tag and redact votes.", no_args_is_help=True
)
app.command()(export)
app.command("import")(import_)
app.command()(tag)
app.command()(redact)


@app.callback()
def votes() -> None:
    """Verify, sign, count, export, import, tag and redact votes."""


@app.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(help="An exported log. Default: the vote store.", dir_okay=False),
    ] = None,
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    public_key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Require a checkpoint signed by this key."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="File of checkpoints kept elsewhere, as `rostra votes checkpoint` printed them; "
            "the log must contain what they signed.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Check that no vote was changed, dropped or inserted since it was cast.

    Exit codes: 0 the log is whole; 1 it is not, at the place that is named; 2 it could not be
    checked.
    """
    require_arena()
    from rostra.arena.votes.log.errors import LogBrokenError
    from rostra.arena.votes.log.verify import verify as verify_store
    from rostra.arena.votes.log.verify_file import verify_file

    if file is not None and votes_url is not None:
        raise RostraError("an exported file and --votes-url name two logs; give one")
    key = None if public_key is None else _public_key(public_key)
    held = [] if checkpoint is None else _held(checkpoint)
    console = Console()
    with one_line():
        try:
            if file is not None:
                verified = verify_file(file, key, held)
            else:
                with opened_store(config, home, votes_url) as engine:
                    verified = verify_store(engine, key, held)
        except LogBrokenError as error:
            Console(stderr=True, soft_wrap=True).print(
                "[bold red]broken:[/]", str(error), highlight=False
            )
            raise typer.Exit(BROKEN) from None
    for line in _verdict(verified, bool(held)):
        console.print(line, **PLAIN)


@app.command()
def stats(
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    campaign: Annotated[
        list[str] | None,
        typer.Option(help="Of this campaign only. Repeat for more. Default: all."),
    ] = None,
    days: Annotated[int, typer.Option(help="How many of the last days with votes.", min=1)] = 14,
) -> None:
    """Count battles and votes, by outcome, day, campaign and contestant."""
    require_arena()
    from rostra.arena.votes.statistics import VoteStatistics
    from rostra.mesh.cli.votes_tables import tables

    console = Console()
    with opened_store(config, home, votes_url) as engine:
        for table in tables(VoteStatistics.of(engine, campaign or ()), days):
            console.print(table)


@app.command()
def checkpoint(
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help=f"File of the signing key. Default: {KEY} in the data folder.", dir_okay=False
        ),
    ] = None,
    new_key: Annotated[
        bool, typer.Option(help="Make the key: once, before the first use.")
    ] = False,
) -> None:
    """Verify the log, sign its head, and print the checkpoint: a line to keep elsewhere.

    With that line, and only with it, can anybody show later that entries were cut off the log's
    end or that it was written anew.
    """
    require_arena()
    from rostra.arena.votes.log.checkpoints import sign
    from rostra.arena.votes.log.keys import make_key, read_key
    from rostra.arena.votes.log.verify import verify as verify_store
    from rostra.mesh.home import Home

    path = key or Home.locate(home).data / KEY
    with opened_store(config, home, votes_url) as engine:
        if not new_key and not path.exists():
            raise RostraError(
                f"there is no signing key {path}: restore it, or make one with --new-key"
            )
        signing = make_key(path) if new_key else read_key(path)
        if new_key:
            public = signing.public_key().public_bytes_raw().hex()
            typer.echo(f"Made {path}. Publish its public key: {public}", err=True)
        verify_store(engine)
        typer.echo(json.dumps(sign(engine, signing).to_json()))


def _public_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise RostraError("--public-key takes 64 hexadecimal digits, as `checkpoint` prints them")
    return key


def _held(path: Path) -> list[SignedHead]:
    from rostra.arena.votes.log.checkpoints import SignedHead

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RostraError(f"cannot read {path}: {error}") from None
    held = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                held.append(SignedHead.from_json(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                raise RostraError(f"line {number} of {path} is no checkpoint") from None
    if not held:
        raise RostraError(f"there is no checkpoint in {path}")
    return held


def _verdict(verified: Verified, held: bool) -> Iterator[str]:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in verified.kinds.items() if count)
    entries = counted(verified.entries, "entry", "entries")
    yield f"The log is whole: {entries}{f' ({kinds})' if kinds else ''}."
    if verified.redacted:
        battles = counted(verified.redacted, "battle")
        yield f"Texts were taken out of {battles}: what they said can no longer be checked."
    yield f"Head: {verified.head.hex()}"
    if verified.signed is not None:
        yield (
            f"Signed up to entry {verified.signed.seq:,} by {verified.signed.public_key.hex()} at "
            f"{verified.signed.at.isoformat()}; "
            f"{counted(verified.unsigned, 'entry', 'entries')} since."
        )
    else:
        yield "No checkpoint signs it."
    if not held:
        yield (
            "Whether entries were cut off its end, or all of it was written anew, only a "
            "checkpoint kept elsewhere can tell: --checkpoint."
        )
