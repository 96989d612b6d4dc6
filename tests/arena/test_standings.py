"""What the pages read of a saved result, without its draws and without what made them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.standings import StandingsReader


@pytest.fixture
def posterior() -> Posterior:
    """Two that met, and one that nobody met."""
    strength = np.array([0.4, -0.5, 0.1]) + 0.1 * np.random.default_rng(1).normal(size=(2, 100, 3))
    return Posterior(
        draws={"strength": strength, "side": np.zeros((2, 100)), "tie": np.zeros((2, 100))},
        board=Board.from_comparisons(
            [("ant", "bee", "a"), ("bee", "ant", "tie")] * 30, ["ant", "bee", "cat"]
        ),
        spec=ModelSpec(),
        settings=FitSettings(),
        diagnostics=Diagnostics(None, None, None, 0, (), 0.1, 900.0, ("A note.",)),
        provenance=Provenance(),
        versions={},
        created=datetime(2026, 11, 23, tzinfo=UTC),
    )


async def test_standings_are_what_was_saved(posterior: Posterior, tmp_path: Path) -> None:
    reader = StandingsReader(tmp_path)
    assert await reader.newest() is None
    posterior.save(tmp_path)
    standings = await reader.newest()
    assert standings is not None
    assert standings.ratings == posterior.rows
    assert standings.diagnostics == posterior.diagnostics
    assert standings.notes == ("A note.", *posterior.predictive.notes)
    assert (standings.created, standings.num_votes) == (posterior.created, 60)
    cat = standings.row("cat")
    assert cat is not None
    assert (cat.win_rate, cat.both_bad_rate, cat.votes) == (None, None, 0)
    assert "prior" in cat.caution


async def test_an_old_format_is_refused_in_one_line(posterior: Posterior, tmp_path: Path) -> None:
    path = posterior.save(tmp_path) / "summary.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "format": 3, "diagnostics": {"max_rhat": 1.0}}))
    with pytest.raises(ArenaError, match=r"made by an older version .* run `rostra rate` again"):
        await StandingsReader(tmp_path).newest()
    path.write_text(path.read_text()[:200])
    with pytest.raises(ArenaError, match="cannot read"):
        await StandingsReader(tmp_path).newest()


def test_readers_do_not_wait_for_what_makes_ratings() -> None:
    code = (
        "import sys; import rostra.arena.standings, rostra.arena.ratings.posterior, "
        "rostra.arena.ratings.storage; "
        "print([m for m in ('pymc', 'pytensor', 'nutpie', 'arviz', 'numba') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "[]"


async def test_all_who_vote_at_once_cost_one_look(
    posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posterior.save(tmp_path)
    reader = StandingsReader(tmp_path)
    looks = 0

    def look() -> Path | None:
        nonlocal looks
        looks += 1
        return StandingsReader._newest_folder(reader)

    monkeypatch.setattr(reader, "_newest_folder", look)
    found = await asyncio.gather(*(reader.newest() for _ in range(50)))
    assert looks == 1
    assert found[0] is not None
    assert all(each is found[0] for each in found)
    assert await reader.newest() is found[0]
    assert looks == 2
