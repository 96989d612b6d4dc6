"""A PostgreSQL server of the tests' own, from the binaries of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest

_DEBIAN = Path("/usr/lib/postgresql")
_OWNERS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root."""
_STARTED = 60
"""Seconds within which a server must answer."""


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`: the newest of Debian's, or that of `$PATH`."""
    versions = [path for path in _DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgresServer:
    """Listens on a socket in `folder`, where its data are too; may be killed and started again.

    Not on a port: a free one would have to be chosen before the server takes it, and be free still
    when it comes back.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._data = folder / "data"
        self._log = folder / "log"
        self._programs = programs
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        for path in (folder, self._data):
            path.mkdir(parents=True, exist_ok=True)
        self._log.touch()
        if self._user is not None:
            for path in (folder, self._data, self._log):
                shutil.chown(path, self._user)
        options = "--username=rostra --auth=trust --encoding=UTF8 --locale=C --no-sync"
        self._run("initdb", *options.split(), "--pgdata", str(self._data))

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    *("-D", self._data, "-c", "listen_addresses="),
                    *("-c", f"unix_socket_directories={self._folder}"),
                    *("-c", "shared_buffers=16MB", "-c", "max_connections=40"),
                ],
                stdout=log,
                stderr=log,
                **self._identity(),
            )
        end = time.monotonic() + _STARTED
        while True:
            try:
                psycopg.connect(self._dsn, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"PostgreSQL does not start: {self._log.read_text()[-2000:]}")
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the postmaster and to every backend, as when the machine fails."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        backends = [int(pid) for pid in children.read_text().split()]
        self._process.kill()
        for pid in backends:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(30)
        while any(map(_lives, backends)):
            time.sleep(0.01)

    def stop(self) -> None:
        """Without a checkpoint: nobody will start it again."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)

    def new_database(self) -> str:
        """SQLAlchemy URL of a place without tables: a schema, as it is made and gone at once."""
        name = f"votes_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        options = urlencode({"host": self._folder, "options": f"-csearch_path={name}"})
        return f"postgresql://rostra@/postgres?{options}"

    @property
    def _dsn(self) -> str:
        return f"host={self._folder} user=rostra dbname=postgres"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            **self._identity(),
        )
        if done.returncode:
            pytest.fail(f"{program} failed: {done.stderr[-2000:]}")

    def _identity(self) -> dict[str, object]:
        # A folder that the other user may enter, whichever the tests were started in.
        identity: dict[str, object] = {"cwd": "/"}
        if self._user is not None:
            identity |= {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid}
            identity |= {"extra_groups": ()}
        return identity


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _unprivileged() -> str | None:
    """Who the server runs as; `None` for the user of the tests."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _OWNERS if name in known)
