"""Processes of the arena's benchmarks: started, watched, ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from rostra.arena.contestant import Contestant
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.settings import ArenaSettings

SERVE = """
import asyncio, sys
from rostra.arena.app import serve
from rostra.arena.settings import ArenaSettings
settings = ArenaSettings.model_validate_json(sys.argv[1])
asyncio.run(serve(settings, lambda url: print(url, flush=True)))
"""
_ROOT = Path(__file__).parent.parent
LONGEST_END = 60


@dataclass
class Served:
    """A process that listens at `url`."""

    url: str
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def mebibytes(self) -> float:
        """Of memory that is its own."""
        return float(self.process.memory_full_info().uss) / 2**20


@contextmanager
def served(command: list[str]) -> Iterator[Served]:
    """A Python process that prints its URL when it listens; ended at the end."""
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    try:
        if process.stdout is None or not (url := process.stdout.readline().strip()):
            raise SystemExit(f"{' '.join(command[:2])} did not start")
        yield Served(url, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(LONGEST_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def gateway(pace: float, images: tuple[str, ...] = ()) -> Iterator[Served]:
    """`images`: names of models that take some."""
    with served(["-m", "benchmarks.arena_gateway", "--pace", str(pace), *images]) as found:
        yield found


@contextmanager
def arena(settings: ArenaSettings) -> Iterator[Served]:
    given = settings.model_dump_json(exclude_unset=True)
    with served(["-c", SERVE, given]) as found:
        yield found


def settings(folder: Path, gateway_url: str, num_contestants: int = 4) -> ArenaSettings:
    """Of an arena whose store and ratings are in `folder`."""
    return ArenaSettings(
        port=0,
        gateway_url=gateway_url,
        votes_url=f"sqlite:///{folder / 'votes.sqlite3'}",
        ratings_dir=folder / "ratings",
        contestants=tuple(
            Contestant(name=f"contestant-{i}", model=f"model-{i}") for i in range(num_contestants)
        ),
        unused_session_lifetime=15,
        resume_grace=3,
        # What a rating costs is no part of what the arena does.
        refresh=RefreshSettings(interval=0),
    )
