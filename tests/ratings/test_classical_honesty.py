"""Boards on which an estimate does not exist: said by name, never a number that runs away."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    LikelihoodSettings,
    average_win_rate,
    bootstrap,
    compression,
    eigenvector,
    maximum_likelihood,
    newman,
)
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import Anchor

ROUND = [("a", "b", "a"), ("b", "c", "a"), ("c", "a", "a"), ("a", "c", "tie"), ("b", "a", "tie")]
"""Three who beat each other in a circle."""
WAYS = ("davidson", "rao-kupper", "half")

ways = pytest.mark.parametrize("ties", WAYS)


def fit(rows: list[tuple[str, str, str]], ties: str, side: bool = False, field: str | None = None):
    return maximum_likelihood(
        Board.from_comparisons(rows, field), LikelihoodSettings(ties=ties, side=side)
    )


@ways
def test_undefeated_winless_and_unseen(ties: str) -> None:
    rows = [*ROUND, ("u", "a", "a"), ("u", "b", "a"), ("w", "c", "b")]
    found = fit(rows, ties, field="abcuwx")
    among_three = fit(ROUND, ties)
    np.testing.assert_allclose(found.ratings[:3], among_three.ratings, atol=1e-6)
    assert np.isnan(found.ratings[3:]).all()
    assert np.isnan(found.se[3:]).all()
    assert found.why == {
        "u": "undefeated in 2 votes: above the rest, but no finite estimate exists",
        "w": "without a win in 1 vote: below the rest, but no finite estimate exists",
        "x": "no votes that bear on the order",
    }
    assert found.notes[0] == (
        "3 of 6 contestants have no finite estimate on the scale of the others."
    )
    low, high = found.interval()
    assert (high[3], low[4]) == (np.inf, -np.inf)
    assert np.isnan([low[3], high[4], low[5], high[5]]).all()


@ways
def test_groups_that_never_met_are_not_put_on_one_scale(ties: str) -> None:
    rows = [*ROUND, ("x", "y", "a"), ("y", "x", "a"), ("x", "y", "tie"), ("x", "y", "a")]
    found = fit(rows, ties)
    assert found.groups == (("a", "b", "c"), ("x", "y"))
    assert found.why == dict.fromkeys("xy", "no votes link it to the main group")
    assert np.isfinite(found.ratings[:3]).all()
    assert np.isnan(found.ratings[3:]).all()
    # Within a group differences are known, and only there.
    difference, error = found.against("x")
    assert difference[4] < 0 < error[4]
    assert np.isnan(difference[:3]).all()
    assert np.isnan(error[:3]).all()


def test_a_group_above_the_others() -> None:
    rows = [*ROUND, ("x", "y", "a"), ("y", "x", "a"), ("x", "a", "a")]
    found = fit(rows, "half")
    assert found.why["y"] == (
        "in a group undefeated by the others: above the rest, but no finite estimate exists"
    )
    assert list(found.place) == [0, 0, 0, 1, 1]


def test_neither_above_nor_below() -> None:
    """It lost to who is above, and beat who is below."""
    rows = [*ROUND, ("u", "a", "a"), ("b", "w", "a"), ("u", "m", "a"), ("m", "w", "a")]
    found = fit(rows, "half")
    assert found.why["m"] == "the votes place it neither above nor below the main group"


@ways
def test_a_straight_order_has_no_estimate_at_all(ties: str) -> None:
    found = fit([("a", "b", "a"), ("b", "c", "a"), ("a", "c", "a")], ties, side=True)
    assert not found.converged
    assert np.isnan(found.ratings).all()
    assert set(found.why) == {"a", "b", "c"}
    assert found.notes == (
        "No two contestants can be compared: no finite estimate exists for anybody.",
    )


def test_only_ties() -> None:
    rows = [("a", "b", "tie"), ("b", "a", "tie"), ("b", "c", "tie"), ("c", "a", "tie")]
    for ties in ("davidson", "rao-kupper"):
        found = fit(rows, ties)
        assert not found.converged
        assert np.isnan(found.ratings).all()
        assert found.notes == ("Nothing is estimated: the likelihood grows without end in tie.",)
        assert set(found.why) == {"a", "b", "c"}
    # As half wins they say that all are equal, with an error from the model but none to measure.
    half = fit(rows, "half")
    np.testing.assert_allclose(half.ratings, 1000)
    assert np.all(half.se > 0)
    assert np.isnan(half.sandwich_se).all()
    assert half.notes == (
        "The votes of a, b, c fit without any error, which the sandwich cannot measure from.",
    )


@ways
def test_a_side_that_always_wins(ties: str) -> None:
    rows = [("a", "b", "a"), ("b", "a", "a"), ("b", "c", "a"), ("c", "b", "a")]
    found = fit([*rows, ("a", "c", "a"), ("c", "a", "a")], ties, side=True)
    assert not found.converged
    assert found.notes == ("Nothing is estimated: the likelihood grows without end in side.",)


@ways
def test_a_side_that_is_one_contestant_s_own(ties: str) -> None:
    rows = [("a", "b", "a"), ("a", "b", "b"), ("a", "b", "tie")]
    found = fit(rows, ties, side=True)
    assert found.notes == ("Nothing is estimated: the votes cannot tell the strengths from side.",)
    assert fit(rows, ties).converged


def test_a_covariate_that_decides_every_vote() -> None:
    rng = np.random.default_rng(1)
    left, right = np.nonzero(~np.eye(3, dtype=bool))
    number = rng.integers(6, size=60)
    length = rng.normal(size=60)
    table = np.zeros((60, 4), dtype=int)
    table[np.arange(60), np.where(length > 0, 0, 2)] = 1
    board = Board.of("abc", left[number], right[number], table, covariates={"length": length})
    found = maximum_likelihood(board, LikelihoodSettings(side=False, style=("length",)))
    assert found.notes[-1] == ("Nothing is estimated: the likelihood grows without end in length.")
    assert maximum_likelihood(board, LikelihoodSettings(side=False)).converged


def test_no_ties_are_said() -> None:
    found = fit([("a", "b", "a"), ("b", "a", "a")], "davidson")
    assert found.coefficients["tie"] == -np.inf
    assert np.isnan(found.coefficient_se()["tie"])
    assert found.notes == (
        "No vote is a tie: the tie parameter is minus infinity, the model Bradley-Terry's.",
    )


def test_long_chains_of_narrow_odds_are_no_separation() -> None:
    """Forty nats from end to end, each step of it well measured."""
    names = [f"c{number:02d}" for number in range(10)]
    rows = [
        row
        for one, other in pairwise(names)
        for row in [(one, other, "a")] * 99 + [(one, other, "b")]
    ]
    found = fit(rows, "half")
    assert found.converged
    assert found.strengths[0] - found.strengths[-1] == pytest.approx(9 * np.log(99), abs=1e-6)


def test_few_votes_on_a_board_of_many_are_fitted_as_tightly() -> None:
    board = Board.of("abc", [0, 2], [1, 0], [[4_000_000, 0, 3_000_000, 0], [1, 0, 2, 0]])
    difference, _ = maximum_likelihood(board, LikelihoodSettings(ties="half", side=False)).against(
        "a"
    )
    assert difference[2] == pytest.approx(np.log(1 / 2), abs=1e-9)
    assert difference[1] == pytest.approx(np.log(3 / 4), abs=1e-9)


def test_an_anchor_without_a_rating_is_refused() -> None:
    board = Board.from_comparisons([*ROUND, ("u", "a", "a")])
    with pytest.raises(RatingsError, match="'u' cannot be the anchor: undefeated"):
        _ = maximum_likelihood(
            board, LikelihoodSettings(side=False, anchor=Anchor(name="u"))
        ).ratings
    with pytest.raises(RatingsError, match="'z' is not a contestant"):
        maximum_likelihood(board, LikelihoodSettings(anchor=Anchor(name="z")))
    with pytest.raises(RatingsError, match=r"'u' cannot be the anchor: in 5 of 5 rounds"):
        bootstrap(board, LikelihoodSettings(anchor=Anchor(name="u"), side=False), rounds=5)


def test_bootstrap_rounds_in_which_somebody_is_undefeated() -> None:
    """d lost once in ten, so that a third of the rounds never draw it."""
    rows = [*ROUND * 20, *[("d", "a", "a")] * 9, ("d", "a", "b"), ("e", "a", "a")]
    rounds = bootstrap(
        Board.from_comparisons(rows),
        LikelihoodSettings(ties="half", side=False),
        rounds=100,
        seed=1,
    )
    share = rounds.unplaced / rounds.rounds
    assert list(share[:3]) == [0, 0, 0]
    assert share[3] == pytest.approx((1 - 1 / len(rows)) ** len(rows), abs=0.1)
    assert set(rounds.draws[~np.isfinite(rounds.draws[:, 3]), 3]) == {np.inf}
    assert np.all(rounds.draws[:, 4] == np.inf)
    low, high = rounds.interval()
    assert np.isfinite(low[:4]).all()
    assert np.isfinite(high[:3]).all()
    assert list(high[3:]) == [np.inf, np.inf]
    assert np.isnan(low[4])
    assert rounds.failed == 0


def test_the_other_methods_without_an_answer() -> None:
    straight = Board.from_comparisons([("a", "b", "a"), ("b", "c", "a")], "abcx")
    assert not newman(straight, limit=50).converged
    assert np.isnan(newman(straight, limit=50).nu)
    assert np.isnan(eigenvector(straight)).all()
    assert np.isnan(average_win_rate(straight)[3])
    assert np.isnan(compression(straight).slope)
    assert "Too few" in compression(straight).sentence
