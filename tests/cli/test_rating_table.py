"""Ratings in a terminal: readable with three contestants and with a hundred and fifty."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from rich.console import Console

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.mesh.cli.rating_table import rating_table


def posterior_of(mean: np.ndarray, sd: float = 0.1, name: str = "model-{:03d}") -> Posterior:
    """Strengths round `mean`, and votes enough on each pair."""
    size = len(mean)
    strength = mean + sd * np.random.default_rng(1).normal(size=(2, 200, size))
    left, right = np.nonzero(~np.eye(size, dtype=bool))
    return Posterior(
        draws={"strength": strength - strength.mean(axis=-1, keepdims=True)},
        board=Board.of(
            [name.format(i) for i in range(size)], left, right, [[9, 2, 8, 1]] * len(left)
        ),
        spec=ModelSpec(),
        settings=FitSettings(),
        diagnostics=Diagnostics(1.0, 900.0, 900.0, 0, ()),
        provenance=Provenance(),
        versions={},
        created=datetime(2026, 11, 23, tzinfo=UTC),
    )


def shown(posterior: Posterior, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(rating_table(posterior))
    return console.export_text().splitlines()


@pytest.mark.parametrize("size", [2, 3, 150])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_each_contestant_has_one_line_that_fits(size: int, width: int) -> None:
    posterior = posterior_of(np.linspace(1, -1, size))
    lines = shown(posterior, width)
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if "●" in line]
    assert len(rows) == size
    assert [line.split()[1] for line in rows] == [row.contestant for row in posterior.rows]
    assert "…" not in "".join(lines)


def test_a_line_has_rank_rating_interval_chance_to_be_best_and_votes() -> None:
    posterior = posterior_of(np.array([0.3, 0.2, -0.9]))
    first = posterior.rows[0]
    line = next(line for line in shown(posterior) if "model-000" in line)
    cells = line.split()
    low, high = (round(end) for end in first.eti_94)
    assert cells[0] == f"{first.rank_best}–{first.rank_worst}"
    assert cells[-4:] == [f"{first.rating:.0f}", f"{low}–{high}", f"{first.p_best:.0%}", "80"]


def test_bars_share_one_axis() -> None:
    lines = [line for line in shown(posterior_of(np.array([1.0, 0.0, -1.0]))) if "●" in line]
    dots = [line.index("●") for line in lines]
    assert dots[0] - dots[1] == pytest.approx(dots[1] - dots[2], abs=1)
    assert dots == sorted(dots, reverse=True)


def test_a_rule_parts_tiers_and_nothing_else() -> None:
    posterior = posterior_of(np.array([1.0, 0.98, 0.0, -1.0, -1.02]))
    assert [row.tier for row in posterior.rows] == [1, 1, 2, 3, 3]
    marks = ["●" in line for line in shown(posterior) if "●" in line or set(line) == {"─"}]
    # The first rule stands below the headings.
    assert marks == [False, True, True, False, True, False, True, True]
    one = shown(posterior_of(np.zeros(4)))
    assert sum(set(line) == {"─"} for line in one) == 1
    assert "tier" not in "".join(one)


def test_a_rating_that_rests_on_the_prior_is_marked() -> None:
    posterior = posterior_of(np.array([0.3, 0.0, -0.3]))
    assert "*" not in "".join(shown(posterior))
    two = Board.of(posterior.contestants, [0, 1], [1, 0], [[20, 5, 18, 0]] * 2)
    lines = shown(replace(posterior, board=two))
    assert [("*" in line) for line in lines if "●" in line] == [False, False, True]
    assert "* rests on the prior" in " ".join(lines)


def test_long_names_fold_and_nothing_is_cut() -> None:
    posterior = posterior_of(np.array([0.5, -0.5]), name="an-organisation/a-model-{}-70b-instruct")
    lines = shown(posterior)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert "instruct" in "".join(line[:30].replace(" ", "") for line in lines).replace("\n", "")


def test_a_chance_that_is_not_certain_is_not_told_as_certain() -> None:
    # 400 draws, of which one has the second ahead.
    posterior = posterior_of(np.array([0.4, -0.4]), sd=0.0)
    strength = np.array(posterior.strengths)
    strength[0, 0] = strength[0, 0, ::-1]
    text = "\n".join(shown(replace(posterior, draws={"strength": strength})))
    assert ">99%" in text
    assert "<1%" in text
