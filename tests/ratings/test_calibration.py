"""Posteriors hold the truth as often as they say; in full: benchmarks/ratings_calibration.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ratings_calibration import Task, coverage_row, rows, sbc_row, work
from benchmarks.ratings_intervals import LEVEL, RANKS, held, ranks
from benchmarks.resumable import run_all

LEAGUES = 40


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Davidson, both bad", "categories"])
def test_true_values_lie_anywhere_among_the_draws(model: str) -> None:
    row = sbc_row(model, "laplace", [ranks(model, "laplace", seed) for seed in range(LEAGUES)])
    assert row["p_adjusted"] > 1e-3, row
    assert row["gave_way"] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("board", ["12 contestants, 150 votes", "12 contestants, 3,000 votes"])
def test_intervals_hold_the_truth(board: str) -> None:
    leagues = [held(board, "Laplace", seed) for seed in range(LEAGUES)]
    row = coverage_row(board, "Laplace", leagues)
    assert row["without"] == 0
    assert row["coverage"] == pytest.approx(LEVEL, abs=4 * row["error"])
    assert row["error"] < 0.02


def test_ranks_that_are_not_uniform_are_found() -> None:
    rng = np.random.default_rng(1)

    def p(draw_ranks: np.ndarray) -> float:
        leagues = [{"ranks": {"side": int(rank)}, "gave_way": False} for rank in draw_ranks]
        return sbc_row("model", "engine", leagues)["p_adjusted"]

    assert p(rng.integers(RANKS + 1, size=1000)) > 0.01
    # Of a posterior too narrow, and of one that lies too low.
    assert p(np.round(RANKS * rng.beta(0.7, 0.7, size=1000))) < 1e-4
    assert p(np.round(RANKS * rng.beta(1.3, 1, size=1000))) < 1e-4


def test_coverage_counts_those_with_an_interval() -> None:
    league = {"given": 10, "held": 9, "width": 1000.0, "seconds": 0.5, "gave_way": False}
    other = {**league, "given": 12, "held": 11, "width": 1420.0}
    row = coverage_row("12 contestants, 150 votes", "sandwich", [league, other])
    assert row["coverage"] == pytest.approx(20 / 22)
    assert row["without"] == pytest.approx(2 / 24)
    assert row["width_elo"] == pytest.approx(110)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Task("coverage", "12 contestants, 150 votes", "sandwich", n) for n in range(6)]
    first = run_all(wanted[:4], work, tmp_path, processes=1)
    log = tmp_path / "leagues.jsonl"
    assert len(log.read_text().splitlines()) == 4
    # The last line of a run that was killed while it wrote.
    log.write_text(log.read_text() + json.dumps([*wanted[4], {}])[:20])
    both = run_all(wanted, work, tmp_path, processes=1)
    assert {task: both[task] for task in wanted[:4]} == first
    again = run_all(wanted, work, tmp_path, processes=1)
    assert again == both
    (row,) = rows(both)
    assert row["leagues"] == 6


def test_a_league_is_the_same_whoever_simulates_it() -> None:
    one, two = (held("12 contestants, 150 votes", "sandwich", 5) for _ in range(2))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
