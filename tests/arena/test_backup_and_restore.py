"""The commands of docs/operating.md on backups: as they stand there, on stores that are in use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from postgres_server import PostgresServer, binaries
from vote_rounds import voted

from rostra.arena.votes.store import VoteStore

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
SECTION = PAGE.read_text(encoding="utf-8").split("## Backup and restore\n")[1]
BLOCKS = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)


def block(mark: str) -> str:
    (found,) = (text for text in BLOCKS if mark in text)
    return found


def run(text: str, *, check: bool = True) -> str:
    """Every line of it but those of systemd."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("systemctl"))
    path = [str(Path(sys.executable).parent)]
    if programs := binaries():
        path.append(str(programs))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        env={**os.environ, "PATH": os.pathsep.join([*path, os.environ["PATH"]]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode == 0) is check, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def in_use(store: VoteStore, first: int = 20) -> Iterator[list[str]]:
    """Somebody votes all the while. The battles whose votes were acknowledged, `first` at least."""
    battles: list[str] = []
    enough, ended = threading.Event(), threading.Event()

    def cast() -> None:
        while not ended.is_set():
            battles.append(voted(store)[0].battle_id)
            if len(battles) >= first:
                enough.set()

    thread = threading.Thread(target=cast)
    thread.start()
    try:
        assert enough.wait(60)
        yield battles
    finally:
        ended.set()
        thread.join(60)


def told(printed: str) -> int:
    """Votes of a log that was verified."""
    found = re.search(r"([\d,]+) entr", printed)
    assert found, printed
    return int(found[1].replace(",", ""))


@pytest.fixture
def here(tmp_path: Path) -> Callable[[str], str]:
    for name in ("data", "backup"):
        (tmp_path / name).mkdir()
    return lambda text: (
        text.replace("/var/lib/rostra/data", str(tmp_path / "data"))
        .replace("/backup/", f"{tmp_path / 'backup'}/")
        .replace("/tmp/restored", str(tmp_path / "restored"))
    )


def test_sqlite(here: Callable[[str], str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'votes.sqlite3'}"
    store = VoteStore(url)
    with in_use(store) as battles:
        before = len(battles)
        kept = told(run(here(block(".backup"))))
        # The log had every vote that was acknowledged before, and the store goes on.
        assert kept >= before
    assert len(battles) >= kept
    store.close()
    # A journal of the old file, as a crash leaves it: it must not get into the restored one.
    (tmp_path / "data" / "votes.sqlite3-wal").write_bytes(b"of another file")
    assert told(run(here(block("cp /backup")))) == kept
    again = VoteStore(url)
    voted(again)
    again.close()
    assert told(run(f"rostra votes verify --votes-url {url}")) == kept + 1
    assert "ariel" in run(here(block("rostra rate")))
    assert (tmp_path / "restored").is_dir()


def test_a_checkpoint_kept_elsewhere_shows_what_a_backup_lacks(
    here: Callable[[str], str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'votes.sqlite3'}"
    store = VoteStore(url)
    for _ in range(3):
        voted(store)
    signing = f"rostra votes checkpoint --votes-url {url} --key {tmp_path / 'votes.key'}"
    printed = run(f"{signing} --new-key >>{tmp_path / 'kept.jsonl'}")
    found = re.search(r"public key: ([0-9a-f]{64})", printed)
    assert found is not None
    public = found[1]
    run(here(block(".backup")))
    verify = here(block("--checkpoint kept.jsonl")).replace("HEX", public)
    verify = verify.replace("kept.jsonl", str(tmp_path / "kept.jsonl"))
    run(verify)
    voted(store)
    run(f"{signing} >>{tmp_path / 'kept.jsonl'}")
    store.close()
    assert "checkpoint" in run(verify, check=False)


def test_postgresql(postgres: PostgresServer, here: Callable[[str], str], tmp_path: Path) -> None:
    folder = re.search(r"host=([^&]+)", postgres.new_database())
    assert folder is not None
    socket = folder[1].replace("%2F", "/")
    with psycopg.connect(f"host={socket} user=rostra dbname=postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE votes")
    store = VoteStore(f"postgresql://rostra@/votes?host={socket}")

    def placed(text: str) -> str:
        text = re.sub(r"rostra@db\.example\.org/(\w+)", rf"rostra@/\1?host={socket}", text)
        text = re.sub(r"(postgresql://\S+)", r"'\1'", text)
        return here(text.replace("db.example.org", socket))

    with in_use(store) as battles:
        before = len(battles)
        run(placed(block("pg_dump")))
    store.close()
    assert before <= told(run(placed(block("pg_restore")))) <= len(battles)
