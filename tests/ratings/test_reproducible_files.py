"""The same log and seed give the same files, whoever computes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VOTES = Path(__file__).parents[2] / "docs" / "example_votes.csv"
FIT = """
import sys
from pathlib import Path

from rostra.arena.imports.board import read_board
from rostra.arena.ratings import audit
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

votes, out = map(Path, sys.argv[1:])
found = read_board(votes, Wanted(factors=("category",)))
categories = ModelSpec(structure="categories", factor="category")
for engine, spec in (("nuts", ModelSpec()), ("laplace", categories)):
    settings = FitSettings(draws=200, tune=200, seed=3, engine=engine)
    posterior = fit(found.board, settings, spec=spec, provenance=found.provenance)
    folder = posterior.save(out / engine)
    audit.save(audit.run(audit.Evidence.of(posterior), quick=True), folder)
"""
ONLY_TIME = "created.txt"


def files(folder: Path) -> dict[str, bytes]:
    (saved,) = (path for path in folder.iterdir() if path.is_dir())
    return {path.name: path.read_bytes() for path in saved.iterdir()}


@pytest.mark.timeout(240)
def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    processes = []
    for seed in ("1", "2"):
        # Nor may the order of sets, which differs from process to process, be in them.
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", FIT, str(VOTES), str(tmp_path / seed)]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    for process in processes:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors.decode()
    for engine in ("nuts", "laplace"):
        one, other = files(tmp_path / "1" / engine), files(tmp_path / "2" / engine)
        assert {"posterior.nc", "summary.json", "ratings.csv", "audit.json"} <= set(one)
        assert ("levels.csv" in one) == (engine == "laplace")
        different = {name for name in one if one[name] != other.get(name)}
        assert different == {ONLY_TIME}, engine
