"""Nothing heavy is imported where it is not used: helps, and each process of the mesh."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HELPS = """
import contextlib, io, json, sys
import typer.main
from rostra.mesh.cli.main import app

HEAVY = set(sys.argv[1:])
found = {}

def ask(command, path):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        command.main(["--help"], prog_name=" ".join(path))
    found[" ".join(path)] = sorted(HEAVY & set(sys.modules))
    for name, below in getattr(command, "commands", {}).items():
        ask(below, [*path, name])

ask(typer.main.get_command(app), ["rostra"])
print(json.dumps(found))
"""
WRITTEN_WITH = {"torch", "triton", "transformers", "pymc", "panel", "grpc", "aiohttp"}
"""What rooms are written with: of no use to somebody who reads what a command takes."""
ALSO = {"numpy", "scipy", "polars", "sqlalchemy", "bokeh", "arviz", "numba", "trl", "ray"}

PROCESSES = {
    # What `rostra gateway` runs.
    "rostra.gateway.server": {"torch", "transformers", "panel", "sqlalchemy", "numpy"},
    # What `rostra worker` runs beside the process of its engine.
    "rostra.mesh.worker.server": {"torch", "triton", "transformers", "panel", "sqlalchemy"},
    # What `rostra up` runs itself.
    "rostra.mesh.supervisor.group": {"torch", "grpc", "aiohttp", "panel", "numpy"},
    # What `rostra arena` runs; ratings are computed in a process of their own.
    "rostra.arena.app": {"torch", "transformers", "pymc", "pytensor", "arviz", "numba", "nutpie"},
    # What `rostra votes` and `rostra rate` read the votes by.
    "rostra.arena.votes.store": {"torch", "panel", "bokeh", "pymc", "scipy", "grpc"},
    # Ratings by hand-written densities.
    "rostra.arena.ratings.fit": {"torch", "panel", "pymc", "arviz", "sqlalchemy"},
}


def python(source: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return done.stdout


def test_no_help_imports_what_a_command_runs_on() -> None:
    found = json.loads(python(HELPS, *WRITTEN_WITH, *ALSO))
    assert len(found) > 40
    assert {name: heavy for name, heavy in found.items() if heavy} == {}


@pytest.mark.parametrize("module", PROCESSES)
def test_a_process_imports_nothing_that_it_has_no_use_for(module: str) -> None:
    told = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    assert PROCESSES[module] & set(json.loads(python(told))) == set()
