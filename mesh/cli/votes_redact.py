"""`rostra votes redact`."""

from __future__ import annotations

from typing import Annotated

import typer

from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_source import one_line
from rostra.mesh.cli.votes_options import VotesUrl, counted, opened_store

WHO = "command line"


def redact(
    battle_id: Annotated[str, typer.Argument(help="The battle, as an export names it.")],
    config: Config = None,
    home: HomeFolder = None,
    votes_url: VotesUrl = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the questions, the answers and the comment out of a battle, for good.

    Its vote stays, and so does its place in the log, which holds commitments to the texts and not
    the texts. `rostra votes verify` then says of how many battles the texts were taken out.
    """
    if not yes:
        typer.confirm(
            f"Take the texts out of battle {battle_id}? They cannot be had back", abort=True
        )
    with opened_store(config, home, votes_url) as engine, one_line():
        from rostra.arena.votes.redaction import redact as take_out

        done = take_out(engine, battle_id, WHO)
        name = engine.dialect.name
    gone = [counted(done.prompts, "question"), counted(done.answers, "answer")]
    if done.images:
        gone.append(counted(done.images, "image"))
    if done.comment:
        gone.append("the comment")
    typer.echo(
        f"Taken out of battle {battle_id}: {', '.join(gone)}. "
        "Exports and backups that were made before still have them."
    )
    if done.erased:
        return
    if name == "sqlite":
        typer.echo(
            "Another process reads the database, so its journal may hold them until that is next "
            "written back: run `PRAGMA wal_checkpoint(TRUNCATE)` when the arena is stopped."
        )
    else:
        typer.echo("PostgreSQL keeps old rows until VACUUM has run, and in its archived journal.")
