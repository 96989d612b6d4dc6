"""Opens the vote store's database and brings its tables up to date."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from rostra.arena.errors import ArenaError

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 15_000
WRITES = "rostra_writes"
_MIGRATES = "rostra_migrates"
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x526F7374  # any number that nothing else on the server uses


def open_database(url: str) -> Engine:
    """An engine on `url` whose tables are at the newest revision.

    Connections with the execution option `WRITES` set take SQLite's write lock when their
    transaction begins: one that first reads and then writes could otherwise not be saved by any
    busy timeout. What is committed is on disk, on PostgreSQL too. Raises `ArenaError`.
    """
    try:
        engine = _create(url)
        with engine.execution_options(**{WRITES: True, _MIGRATES: True}).begin() as connection:
            _migrate(connection)
        engine.dispose()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ArenaError(f"votes_url is not a usable database URL: {error}") from None
    except CommandError as error:
        raise ArenaError(
            f"the vote store {_shown(url)} was written by a newer Rostra ({error}); upgrade"
        ) from None
    except (DBAPIError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        raise ArenaError(
            f"cannot open the vote store {_shown(url)}: {reason}; check the path and its rights"
        ) from None
    return engine


def open_existing(
    url: str,
    missing: str = "there is no vote store {store}: vote in the arena first (`rostra up`), or name "
    "another with --votes-url",
) -> Engine:
    """Like `open_database`, but a store that is not there is not made: a wrong name would pass for
    an empty store. `missing` is the line of the `ArenaError` then."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ArenaError(f"votes_url is not a usable database URL: {error}") from None
    if parsed.get_backend_name() == "sqlite" and not _file_exists(parsed.database or ""):
        raise ArenaError(missing.format(store=_shown(url)))
    return open_database(url)


def write_turn(engine: Engine) -> AbstractContextManager[object]:
    """Held by a thread while it writes, of all that write through `engine`.

    SQLite has one writer at a time, and the others look whether it has ended after sleeps of up to
    100 ms, in no order: under load the unlucky sleep for seconds. PostgreSQL queues them itself.
    """
    return Lock() if engine.dialect.name == "sqlite" else nullcontext()


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that reads the store as it is at its first query, whatever is written since."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Within a transaction SQLite reads one moment anyway.
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _file_exists(name: str) -> bool:
    """Of SQLite; what is no plain path is left to SQLite to judge."""
    return not name or name == ":memory:" or name.startswith("file:") or Path(name).is_file()


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _create(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _create_postgresql(parsed)
    if parsed.get_backend_name() != "sqlite":
        raise ArenaError(
            f"votes_url names {parsed.get_backend_name()}: votes are kept in SQLite or PostgreSQL"
        )
    if not parsed.database or parsed.database == ":memory:":
        raise ArenaError("votes_url must name a file: votes in memory would be lost")
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        # Under any stricter isolation a writer that waited for the log would fail, not go on.
        engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
    except ImportError as error:
        raise ArenaError(
            f"PostgreSQL needs a driver ({error}): pip install 'rostra[postgresql]'"
        ) from None
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # A server may be set to answer before a commit is on disk; a stricter setting is left alone.
    cursor.execute(
        "SELECT current_setting('fsync'), CASE WHEN current_setting('synchronous_commit') = 'off' "
        "THEN set_config('synchronous_commit', 'on', false) END"
    )
    ((fsync, _),) = cursor.fetchall()
    if fsync == "off":
        logger.warning(
            "the PostgreSQL server of the vote store runs with fsync=off: votes can be lost when "
            "its machine fails; set fsync=on"
        )
    connection.commit()
    cursor.close()


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # sqlite3 would begin transactions by itself, later than asked and never IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_MIGRATES, False):
        # To alter a table SQLite makes it anew, which must not count as deleting its rows.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    writes = options.get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
