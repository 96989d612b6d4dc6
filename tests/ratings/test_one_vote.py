"""What one more vote does, against fits with and without it."""

from __future__ import annotations

import numpy as np
import pytest

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.summary.one_vote import one_vote

VOTES = (
    [("ash", "elm", "a")] * 6
    + [("elm", "ash", "a")] * 3
    + [("elm", "oak", "tie")] * 4
    + [("oak", "ash", "b")] * 5
    + [("ash", "oak", "both_bad")] * 2
)
NEVER_MET = [("yew", "fir", "a"), ("fir", "yew", "tie")]
SETTINGS = FitSettings(engine="laplace", draws=4000)


def rated(votes: list[tuple[str, str, str]]) -> Posterior:
    return fit(Board.from_comparisons(votes), SETTINGS)


@pytest.fixture(scope="module")
def before() -> Posterior:
    return rated(VOTES + NEVER_MET)


@pytest.mark.parametrize("outcome", ["a", "b", "tie"])
def test_ratings_move_as_a_fit_with_the_vote_says(before: Posterior, outcome: str) -> None:
    after = rated([*VOTES, *NEVER_MET, ("oak", "elm", outcome)])
    expected = [
        float(after.ratings[..., after.index(name)].mean() - before.ratings[..., i].mean())
        for name in ("oak", "elm")
        for i in [before.index(name)]
    ]
    told = one_vote(before, "oak", "elm", outcome)
    assert told is not None
    assert [told.left_shift, told.right_shift] == pytest.approx(expected, abs=3)
    if outcome != "tie":
        assert abs(told.left_shift) > 5


def test_both_bad_moves_nothing(before: Posterior) -> None:
    told = one_vote(before, "ash", "elm", "both_bad")
    assert told is not None
    assert (told.left_shift, told.right_shift) == (0, 0)
    strengths = before.flat_strengths
    ahead = strengths[:, before.index("ash")] > strengths[:, before.index("elm")]
    assert told.superiority == pytest.approx(np.mean(ahead))


def test_of_contestants_that_cannot_be_compared_nothing_is_said(before: Posterior) -> None:
    assert one_vote(before, "ash", "yew", "a") is None
    assert one_vote(before, "ash", "nobody", "a") is None
