"""An environment of its own for each peer, since they pin what Rostra does not want."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from benchmarks.loops import PeerError, last_line

MADE = ".complete"
INSTALL_TIMEOUT = 3600.0
"""Seconds. llama.cpp is compiled on the way."""


def cache_folder() -> Path:
    """`$ROSTRA_BENCH_CACHE`, else a folder of the user's cache."""
    chosen = os.environ.get("ROSTRA_BENCH_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("rostra-benchmarks")


def python_of(venv: Path) -> Path:
    """Raises PeerError where there is none."""
    python = venv / "bin" / "python"
    if not python.exists():
        raise PeerError(f"{venv} is no virtual environment")
    return python


def make(name: str, packages: Sequence[str], remove: Sequence[str] = ()) -> Path:
    """The Python of the peer's environment, which is made where it is not whole.

    `remove` names packages that come along and break it. Raises PeerError with pip's own words.
    """
    venv = cache_folder() / name
    wanted = "\n".join([*packages, *(f"without {each}" for each in remove)])
    mark = venv / MADE
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return python_of(venv)
    venv.parent.mkdir(parents=True, exist_ok=True)
    print(f"making {venv} for {', '.join(packages)}", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(venv)])
    pip = [str(python_of(venv)), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", *packages])
    if remove:
        _run([*pip, "uninstall", "--yes", "--quiet", *remove])
    mark.write_text(wanted, encoding="utf-8")
    return python_of(venv)


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"{command[-1]} was not installed in {INSTALL_TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        raise PeerError(last_line(done.stderr))
