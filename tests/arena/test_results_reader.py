"""Saved results as the pages read them: what an older version made is told, not passed over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from rostra.arena.errors import ArenaError
from rostra.arena.ratings import description
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.results import ResultsReader, Saved

Save = Callable[[int, int], Path]


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Saves a result of a day in a format, and gives its folder."""
    strength = 0.1 * np.random.default_rng(1).normal(size=(2, 100, 1))
    board = Board.from_comparisons([("ant", "bee", "a"), ("bee", "ant", "tie")] * 30)

    def save(day: int, format: int) -> Path:
        posterior = Posterior(
            draws={
                "strength": np.concatenate([0.3 + strength, -0.3 - strength], axis=-1),
                "side": np.zeros((2, 100)),
                "tie": np.zeros((2, 100)),
            },
            board=board,
            spec=ModelSpec(),
            settings=FitSettings(),
            diagnostics=Diagnostics(1.0, 800.0, 700.0, 0, ()),
            provenance=Provenance(),
            versions={},
            created=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day),
        )
        with monkeypatch.context() as patch:
            patch.setattr(description, "FORMAT", format)
            return posterior.save(tmp_path)

    return save


async def test_the_newest_result_of_an_older_version_is_told(save: Save, tmp_path: Path) -> None:
    folder = save(1, description.FORMAT - 1)
    reader = ResultsReader(tmp_path)
    for ask in (
        reader.styles,
        reader.findings,
        lambda: reader.answer(("day",), lambda saved: saved.posterior.created),
    ):
        with pytest.raises(ArenaError, match=r"made by an older version .* again") as refused:
            await ask()
        assert str(folder) in str(refused.value)


async def test_older_results_of_an_older_version_are_not_gone_back_to(
    save: Save, tmp_path: Path
) -> None:
    save(1, description.FORMAT - 1)
    save(2, description.FORMAT)
    save(3, description.FORMAT)
    days = await ResultsReader(tmp_path).answer(
        ("days",), lambda saved: [result.created.day for result in saved.earlier]
    )
    assert days == [3, 4]


async def test_there_may_be_no_results(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    reader = ResultsReader(tmp_path)
    assert await reader.styles() == frozenset()
    assert await reader.answer(("any",), lambda saved: saved.folder) is None


async def test_what_was_derived_is_not_waited_for_behind_a_slow_derivation(
    save: Save, tmp_path: Path
) -> None:
    save(1, description.FORMAT)
    reader = ResultsReader(tmp_path)
    derived: list[str] = []

    def derive(saved: Saved) -> datetime:
        derived.append(saved.folder.name)
        return saved.posterior.created

    asking = [reader.answer(("day",), derive) for _ in range(10)]
    days = await asyncio.gather(*asking)
    assert (len(set(days)), len(derived)) == (1, 1)

    began, go_on = threading.Event(), threading.Event()

    def slow(_saved: Saved) -> bool:
        began.set()
        return go_on.wait(60)

    behind = asyncio.create_task(reader.answer(("slow",), slow))
    try:
        assert await asyncio.to_thread(began.wait, 60)
        assert await asyncio.wait_for(reader.answer(("day",), derive), 30) == days[0]
    finally:
        go_on.set()
    assert await behind
    save(2, description.FORMAT)
    assert await reader.answer(("day",), derive) != days[0]
