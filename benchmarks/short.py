"""The short set: starts the demo model on free ports and loads it at 1 and at 16 streams.

python -m benchmarks.short [--json results.json]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks import serve
from benchmarks.local import READY, rostra_up


def main(
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    json: Annotated[Path | None, typer.Option(help="Write everything measured here.")] = None,
) -> None:
    """Throughput of the demo model at 1 and at 16 streams."""
    with rostra_up("--no-arena") as local:
        local.wait_for(READY)
        serve.main(url=local.api, streams=[1, 16], requests=16, repeats=repeats, json=json)


if __name__ == "__main__":
    typer.run(main)
