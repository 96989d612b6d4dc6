from __future__ import annotations

import numpy as np
import pytest
from ratings_boards import made_up_posterior

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.plots.coefficients import LEFT, coefficients
from rostra.arena.ratings.plots.difference import difference
from rostra.arena.ratings.plots.names import chance
from rostra.arena.ratings.plots.price import labelled, pareto, price
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.pairs import difference as told

MEANS = np.array([0.8, -0.3, 0.1])


def test_a_difference_is_told_as_the_summary_has_it() -> None:
    posterior = made_up_posterior(MEANS)
    plot = difference(posterior, "c01", "c00", rope=20)
    expected = told(posterior, "c01", "c00", 20)
    assert f"c01 is ahead by more than 20 points: {chance(expected.above)}" in plot.text
    assert f"equal in practice: {chance(expected.inside)}" in plot.text
    at, density = plot.table["difference"].to_numpy(), plot.table["density"].to_numpy()
    np.testing.assert_allclose(np.trapezoid(density, at), 1, atol=0.01)
    np.testing.assert_allclose(np.trapezoid(density * at, at), expected.mean, atol=1)


def test_the_two_highest_are_compared_when_nobody_is_named() -> None:
    assert difference(made_up_posterior(MEANS)).title == "c00 against c02"
    assert difference(made_up_posterior(MEANS), second="c00").title == "c02 against c00"


@pytest.mark.parametrize(("first", "second", "rope"), [("yak", "c00", 1), ("c00", "c01", -1)])
def test_a_question_without_an_answer_is_refused(first: str, second: str, rope: float) -> None:
    with pytest.raises(RatingsError):
        difference(made_up_posterior(MEANS), first, second, rope)


@pytest.mark.parametrize(
    ("probability", "words"),
    [(1.0, "more than 99.9 %"), (0.0, "less than 0.1 %"), (0.5, "50.0 %")],
)
def test_draws_that_agree_are_not_certainty(probability: float, words: str) -> None:
    assert chance(probability) == words


def test_coefficients_are_in_elo_points() -> None:
    posterior = made_up_posterior(MEANS)
    plot = coefficients(posterior)
    assert plot is not None
    assert plot.table["effect"].to_list() == [LEFT]
    assert plot.table["mean"][0] == pytest.approx(ELO_PER_NAT * posterior.side.mean())
    assert f"Away from zero: {LEFT}" in plot.text


def test_the_front_holds_whom_nobody_beats_at_both() -> None:
    assert pareto([100, 90, 80, 100], [5, 1, 2, 6]) == [True, True, False, False]
    assert pareto([1, 1], [2, 2]) == [True, True]


def test_price_leaves_out_who_has_none() -> None:
    posterior = made_up_posterior(MEANS)
    plot = price(posterior, {"c00": 4.0, "c01": 0.0}, "USD")
    assert plot is not None
    assert plot.table["contestant"].to_list() == ["c00", "c01"]
    assert plot.table["pareto"].all()
    assert "USD per million output tokens" in plot.text
    assert price(posterior, {"c00": 4.0}) is None


def test_names_that_would_cover_each_other_are_left_out() -> None:
    assert labelled([1, 1.01, 9], [1000, 1001, 1200]) == [2, 1]
