"""Each finding has draws that must cause it, and good draws that must not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.diagnostics import Diagnostics, diagnose
from rostra.arena.ratings.engines.draws import Draws
from rostra.arena.ratings.spec import ModelSpec

ROUND = [
    (left, right, outcome)
    for left, right in (("ant", "bee"), ("bee", "cat"), ("cat", "ant"))
    for outcome in ("a", "b", "tie")
]
LINKED = Board.from_comparisons(ROUND * 10)


@pytest.fixture
def good() -> Draws:
    rng = np.random.default_rng(1)
    return Draws({"strength": rng.normal(size=(4, 500, 3)), "side": rng.normal(size=(4, 500))})


def with_values(draws: Draws, **values: np.ndarray) -> Draws:
    return replace(draws, values={**draws.values, **values})


def of(draws: Draws, board: Board = LINKED, **spec: object) -> Diagnostics:
    return diagnose(draws, board, ModelSpec(**spec))


def only_finding(diagnostics: Diagnostics) -> str:
    (finding,) = diagnostics.findings
    assert not diagnostics.ok
    assert diagnostics.sentence == f"Do not rely on these ratings: {finding}"
    return finding


def only_note(diagnostics: Diagnostics) -> str:
    assert diagnostics.ok, diagnostics.sentence
    (note,) = diagnostics.notes
    return note


def test_good_draws_have_no_finding(good: Draws) -> None:
    diagnostics = of(good)
    assert diagnostics.ok
    assert diagnostics.notes == ()
    assert diagnostics.sentence.startswith("Sampled well: R-hat 1.00, ")
    assert diagnostics.min_ess_bulk is not None
    assert 1500 < diagnostics.min_ess_bulk < 2500


def test_a_chain_elsewhere_is_found(good: Draws) -> None:
    side = np.array(good.values["side"])
    side[0] += 0.6
    diagnostics = of(with_values(good, side=side))
    assert diagnostics.max_rhat is not None
    assert diagnostics.max_rhat > 1.01
    assert any("chains disagree" in finding for finding in diagnostics.findings)


def test_sticky_draws_are_found(good: Draws) -> None:
    shocks = np.random.default_rng(2).normal(size=(4, 500))
    for i in range(1, 500):
        shocks[:, i] += 0.9 * shocks[:, i - 1]
    findings = of(with_values(good, side=shocks)).findings
    assert any("Too few effective draws" in finding for finding in findings)


@pytest.mark.parametrize("stuck", [np.nan, np.inf, 1.0])
def test_draws_that_never_moved_are_found(good: Draws, stuck: float) -> None:
    diagnostics = of(with_values(good, side=np.full((4, 500), stuck)))
    assert "Convergence cannot be told" in only_finding(diagnostics)
    # NaN has no place in JSON: what could not be computed is None.
    assert diagnostics.max_rhat is None
    assert diagnostics.min_ess_bulk is None


def test_divergences_are_found(good: Draws) -> None:
    assert "3 divergent transitions" in only_finding(of(replace(good, divergences=3)))
    assert "1 divergent transition:" in only_finding(of(replace(good, divergences=1)))


def test_a_good_approximation_says_so(good: Draws) -> None:
    diagnostics = of(replace(good, pareto_k=0.21, importance_ess=1234.0))
    assert diagnostics.sentence == "Approximated well: Pareto k 0.21, 1,234 effective draws."
    assert (diagnostics.max_rhat, diagnostics.min_ess_bulk) == (None, None)


@pytest.mark.parametrize("k", [0.71, 2.0, math.nan, math.inf])
def test_uneven_weights_are_found(good: Draws, k: float) -> None:
    diagnostics = of(replace(good, pareto_k=k, importance_ess=1234.0))
    assert "approximation does not hold" in only_finding(diagnostics)
    assert diagnostics.pareto_k == (k if math.isfinite(k) else None)


@pytest.mark.parametrize("ess", [399.0, math.nan])
def test_few_weighted_draws_are_found(good: Draws, ess: float) -> None:
    diagnostics = of(replace(good, pareto_k=0.1, importance_ess=ess))
    assert "after weighting" in only_finding(diagnostics)


def test_how_the_draws_were_made_is_a_note(good: Draws) -> None:
    assert only_note(of(replace(good, notes=("By another engine.",)))) == "By another engine."


def test_groups_that_no_vote_links_are_found(good: Draws) -> None:
    other = [(x.replace("a", "x"), y.replace("a", "x"), z) for x, y, z in ROUND if "bee" in (x, y)]
    rows = ROUND * 10 + [("dog", "eel", z) for _, _, z in other] * 10 + [("bee", "dog", "both_bad")]
    finding = only_finding(of(good, Board.from_comparisons(rows)))
    assert "2 groups" in finding
    assert "only within it" in finding
    assert "Pair dog, eel with the rest" in finding
    linked = of(good, Board.from_comparisons(rows), both_bad="tie")
    assert linked.ok, "a both-bad vote is a tie there, and links the two"


def test_contestants_without_a_vote_are_a_note_and_spoil_nothing(good: Draws) -> None:
    more = [f"x{i}" for i in range(8)]
    board = Board.from_comparisons(ROUND * 20, contestants=["ant", "bee", "cat", *more])
    note = only_note(of(good, board))
    assert "No vote bears on x0, x1, x2, x3, x4 and 3 more" in note


def test_who_never_lost_or_never_won_is_a_note(good: Draws) -> None:
    up = Board.from_comparisons(ROUND * 10 + [("dog", "ant", "a"), ("bee", "dog", "b")])
    assert only_note(of(good, up)).startswith("dog won every vote: that it is ahead is told")
    down = Board.from_comparisons(ROUND * 10 + [("dog", "ant", "b"), ("bee", "eel", "a")])
    assert only_note(of(good, down)).startswith("dog, eel each lost every vote")


def test_groups_between_which_every_vote_went_one_way_are_a_note(good: Draws) -> None:
    low = [("dog", "eel", outcome) for outcome in ("a", "b")] * 20
    board = Board.from_comparisons(ROUND * 10 + low + [("ant", "dog", "a"), ("eel", "bee", "b")])
    assert "between ant, bee, cat and those below, all went one way" in only_note(of(good, board))


def test_ties_alone_are_a_note(good: Draws) -> None:
    ties = Board.from_comparisons([(left, right, "tie") for left, right, _ in ROUND] * 10)
    assert "All 90 votes that bear on the order are ties" in only_note(of(good, ties))


def test_few_votes_are_a_note(good: Draws) -> None:
    assert "Only 9 votes bear on the order of 3" in only_note(
        of(good, Board.from_comparisons(ROUND))
    )


@pytest.mark.parametrize(("share", "told"), [(0.6, True), (0.4, False)])
def test_a_voter_with_most_votes_is_a_note(good: Draws, share: float, told: bool) -> None:
    votes = round(100 * share)
    rest = (100 - votes) // 4
    left, right, table, codes = [], [], [], []
    for voter, number in enumerate([votes, rest, rest, rest, rest]):
        for i, j in ((0, 1), (1, 2), (2, 0)):
            left.append(i)
            right.append(j)
            table.append([number, number, number, 0])
            codes.append(voter)
    voters = {"voter": Factor(tuple("abcde"), np.array(codes))}
    board = Board.of(("ant", "bee", "cat"), left, right, table, voters)
    diagnostics = of(good, board)
    assert diagnostics.ok
    assert [f"One voter, a, cast {share:.0%}" in note for note in diagnostics.notes] == [
        True
    ] * told
