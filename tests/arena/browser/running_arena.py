"""Arenas in processes of their own, which must end well."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.arena_process import SERVE
from rostra.arena.settings import ArenaSettings


@contextmanager
def running(settings: ArenaSettings) -> Iterator[str]:
    """Its URL."""
    with _served(["-c", SERVE, settings.model_dump_json(exclude_unset=True)]) as line:
        yield line


@contextmanager
def configured(config: Path) -> Iterator[str]:
    """As an operator starts it, with the folder of the configuration as its home."""
    command = ["-m", "rostra.mesh.cli.main", "arena", "--config", str(config)]
    with _served([*command, "--home", str(config.parent)]) as line:
        yield line.split()[-1]


@contextmanager
def _served(command: list[str]) -> Iterator[str]:
    """The line that it prints when it listens."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line, "the arena did not start"
        yield line
    finally:
        process.terminate()
        assert process.wait(60) == 0
