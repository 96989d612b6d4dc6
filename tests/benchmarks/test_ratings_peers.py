"""What is made of the peers' answers; the peers themselves are asked by the command alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.ratings_peers import FACTS, SETTINGS, compare, facts, from_pairs, parse, synthetic
from rostra.arena.ratings.classical import maximum_likelihood
from rostra.arena.ratings.settings import ELO_PER_NAT


def test_a_peer_is_compared_with_the_exact_optimum() -> None:
    board = synthetic(contestants=6, votes=600)
    assert board.num_votes == 600
    found = maximum_likelihood(board, SETTINGS)
    moved = found.strengths + 3.0
    moved[0] += 10 / ELO_PER_NAT
    answer = {
        "first": [9.0, 9.0],
        "repeats": [[1.0, 2.0], [3.0, 4.0], [2.0, 3.0]],
        "strengths": moved.tolist(),
        "se": (2 * found.sandwich_se / ELO_PER_NAT).tolist(),
    }
    (row,) = compare("small", board, {"peer": answer}, parse(["--repeats", "1", "--rounds", "0"]))
    assert (row["s"], row["cpu_s"], row["first_s"]) == (2.0, 3.0, 9.0)
    assert row["s_to_rostra"] == pytest.approx(2.0 / row["rostra_s"])
    assert row["elo_apart"] == pytest.approx(10 * 5 / 6)
    assert row["se_ratio"] == pytest.approx(2.0)
    assert row["loglik_short"] > 0


def test_both_say_what_they_make_of_boards_without_an_estimate() -> None:
    rows = facts({name: {"a": [1000.0, 5.0]} for name in FACTS})
    says = {row["facts"]: row["rostra"] for row in rows}
    assert {row["arena_rank"] for row in rows} == {"a 1000 +/- 5"}
    assert "u: undefeated in 5 votes" in says["undefeated"]
    assert "x: no votes link it to the main group" in says["disconnected"]
    assert says["unknown label"].startswith("refused: row 3: outcome 'skipped'")
    assert "a 1000 +/- nan" in says["only ties"]


def test_pair_counts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("model_a,model_b,win_a,win_b,tie,both_bad\nb,a,1,2,3,4\n", encoding="utf-8")
    board = from_pairs(path)
    assert board.contestants == ("a", "b")
    np.testing.assert_array_equal(board.table, [[1, 3, 2, 4]])
