"""Which vote store `rostra votes` works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from sqlalchemy import Engine

VotesUrl = Annotated[
    str | None,
    typer.Option(
        "--votes-url",
        help="SQLAlchemy URL of the vote store. Default: SQLite in the home folder.",
    ),
]


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 vote`, `1,024 votes`."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


@contextmanager
def opened_store(
    config: Path | None, home: Path | None, votes_url: str | None, *, must_exist: bool = True
) -> Iterator[Engine]:
    """The store's database, with errors of the arena as the command line shows them."""
    from rostra.mesh.cli.arena import require_arena
    from rostra.mesh.cli.config import RostraConfig
    from rostra.mesh.cli.rating_source import one_line
    from rostra.mesh.home import Home

    require_arena()
    from sqlalchemy.exc import DBAPIError

    from rostra.arena.votes.database import open_database, open_existing

    given = RostraConfig.read(config).arena.get("votes_url")
    url = votes_url or given or Home.locate(home).votes_url
    with one_line():
        engine = open_existing(url) if must_exist else open_database(url)
        try:
            yield engine
        except DBAPIError as error:
            name = engine.url.render_as_string(hide_password=True)
            raise RostraError(f"the vote store {name} failed: {error.orig}") from None
        finally:
            engine.dispose()
