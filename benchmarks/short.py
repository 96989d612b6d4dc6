"""The short set, a few minutes: the service from outside, then the engine by itself.

    python -m benchmarks.short
    python -m benchmarks.short --label before      # keeps the results in benchmarks/results/

Starts the demo model on free ports and loads it at 1 and at 16 streams; then runs the engine in a
process of its own, beside the limits of the machine.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from benchmarks import serve
from benchmarks.local import READY, rostra_up
from benchmarks.results import FOLDER


def main(
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    label: Annotated[
        str | None, typer.Option(help="Keep the results in benchmarks/results/ by this name.")
    ] = None,
) -> None:
    """Throughput of the demo model at 1 and at 16 streams."""
    with rostra_up("--no-arena") as local:
        local.wait_for(READY)
        serve.main(
            url=local.api,
            streams=[1, 16],
            requests=16,
            repeats=repeats,
            json=FOLDER / f"serve-{label}.json" if label else None,
            label=label or "",
        )
    command = [sys.executable, "-m", "benchmarks.engine", "--repeats", str(repeats)]
    command += ["--streams", "1", "--streams", "16"]
    if label:
        command += ["--label", label, "--save"]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    typer.run(main)
