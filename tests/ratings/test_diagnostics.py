"""Each finding has draws that must cause it, and good draws that must not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics, diagnose

LINKED = Board.from_comparisons([("ant", "bee", "a"), ("bee", "cat", "tie")])
Draws = dict[str, NDArray[np.float64]]


@pytest.fixture
def good() -> Draws:
    rng = np.random.default_rng(1)
    return {"strength": rng.normal(size=(4, 500, 3)), "side": rng.normal(size=(4, 500))}


def only_finding(diagnostics: Diagnostics) -> str:
    (finding,) = diagnostics.findings
    assert not diagnostics.ok
    assert diagnostics.sentence == f"Do not rely on these ratings: {finding}"
    return finding


def test_good_draws_have_no_finding(good: Draws) -> None:
    diagnostics = diagnose(good, divergences=0, counts=LINKED)
    assert diagnostics.ok
    assert diagnostics.sentence.startswith("Sampled well: R-hat 1.00, ")
    assert 1500 < diagnostics.min_ess_bulk < 2500


def test_a_chain_elsewhere_is_found(good: Draws) -> None:
    good["side"][0] += 0.6
    diagnostics = diagnose(good, divergences=0, counts=LINKED)
    assert diagnostics.max_rhat > 1.01
    assert any("chains disagree" in finding for finding in diagnostics.findings)


def test_sticky_draws_are_found(good: Draws) -> None:
    shocks = np.random.default_rng(2).normal(size=(4, 500))
    for i in range(1, 500):
        shocks[:, i] += 0.9 * shocks[:, i - 1]
    good["side"] = shocks
    findings = diagnose(good, divergences=0, counts=LINKED).findings
    assert any("Too few effective draws" in finding for finding in findings)


def test_draws_that_never_moved_are_found(good: Draws) -> None:
    good["strength"][..., 1] = np.nan
    assert not diagnose(good, divergences=0, counts=LINKED).ok


def test_divergences_are_found(good: Draws) -> None:
    assert "3 divergent transitions" in only_finding(diagnose(good, 3, LINKED))


def test_groups_that_no_vote_links_are_found(good: Draws) -> None:
    rows = [("ant", "bee", "a"), ("cat", "dog", "b"), ("bee", "dog", "both_bad")]
    finding = only_finding(diagnose(good, 0, Board.from_comparisons(rows)))
    assert "2 groups" in finding
    assert "pair cat, dog with the rest" in finding


def test_a_long_list_of_names_is_cut(good: Draws) -> None:
    counts = Board.from_comparisons(
        [("ant", "bee", "a")], contestants=["ant", "bee", *(f"x{i}" for i in range(8))]
    )
    assert "x0, x1, x2, x3, x4 and 3 more" in only_finding(diagnose(good, 0, counts))
