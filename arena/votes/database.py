"""Opens the vote store's database and brings its tables up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from rostra.arena.errors import ArenaError

BUSY_TIMEOUT_MS = 15_000
WRITES = "rostra_writes"
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x526F7374  # any number that nothing else on the server uses


def open_database(url: str) -> Engine:
    """An engine on `url` whose tables are at the newest revision.

    Connections with the execution option `WRITES` set take SQLite's write lock when their
    transaction begins: one that first reads and then writes could otherwise not be saved by any
    busy timeout. Raises `ArenaError`.
    """
    try:
        engine = _create(url)
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            _migrate(connection)
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


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _create(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if not parsed.database or parsed.database == ":memory:":
        raise ArenaError("votes_url must name a file: votes in memory would be lost")
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


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
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
