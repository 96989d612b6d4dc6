from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_speed_of_ratings_is_measured(tmp_path: Path) -> None:
    found = tmp_path / "speed.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.ratings_speed", "--boards", "made"),
            *("--engines", "nuts", "--draws", "100", "--tune", "100", "--json", str(found)),
        ],
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=280,
    )
    (row,) = json.loads(found.read_text())["rows"]
    assert (row["contestants"], row["votes"]) == (50, 100_000)
    assert row["fresh process s"] > row["read s"] + row["first s"] > 0
    assert row["refit s"] > 0
    assert row["min bulk ESS"] > 0
