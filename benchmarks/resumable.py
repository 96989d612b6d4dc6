"""Work in many pieces, each kept when it is done: a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

LOG = "leagues.jsonl"
"""In the work folder; a line is a piece's own fields and then its result."""
REPORT_SECONDS = 10

Piece = TypeVar("Piece", bound=tuple[Any, ...])


def run_all(
    pieces: Sequence[Piece], work: Callable[[Piece], Any], folder: Path, processes: int
) -> dict[Piece, Any]:
    """Results by piece, those in `folder` not computed again; more pieces add to those there.

    `pieces`: of strings and numbers, done in this order. `work`: a function of a module, or a
    partial of one, which other processes import; its result is what JSON has, and comes back so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG
    done = _read(log)
    missing = [piece for piece in pieces if tuple(piece) not in done]
    print(f"{len(pieces) - len(missing):,} leagues done before, {len(missing):,} to do", flush=True)
    # One thread each: the processes share the cores.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    told = time.monotonic()
    with (
        ProcessPoolExecutor(processes, get_context("spawn")) as pool,
        log.open("a", encoding="utf-8") as file,
    ):
        futures = {pool.submit(work, piece): piece for piece in missing}
        for number, future in enumerate(as_completed(futures), start=1):
            piece = tuple(futures[future])
            line = json.dumps([*piece, future.result()])
            done[piece] = json.loads(line)[-1]
            file.write(line + "\n")
            file.flush()
            if time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                print(f"{number:,} of {len(missing):,}: {piece}", file=sys.stderr, flush=True)
    return {piece: done[tuple(piece)] for piece in pieces}


def _read(log: Path) -> dict[tuple[Any, ...], Any]:
    """Results by piece. A last line that was cut short is taken off the file."""
    if not log.exists():
        return {}
    text = log.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        log.write_text(whole, encoding="utf-8")
    return {tuple(row[:-1]): row[-1] for row in map(json.loads, whole.splitlines())}
