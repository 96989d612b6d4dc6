from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from ratings_boards import made_up_posterior

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.table import (
    expected_scores,
    rating_rows,
    superiority,
)

MEANS = np.array([0.8, -0.3, 0.1, -0.6])


def test_four_hundred_points_are_a_factor_of_ten_in_odds() -> None:
    tenfold = np.array([math.log(10) / 2, -math.log(10) / 2])
    posterior = made_up_posterior(tenfold, sd=0.0)
    assert_allclose(posterior.ratings[0, 0], [1200, 800])


def test_the_mean_of_the_field_is_the_default_anchor() -> None:
    posterior = made_up_posterior(MEANS)
    assert_allclose(posterior.ratings.mean(axis=-1), 1000)
    assert str(posterior.settings.anchor) == "the mean of the field = 1000"


def test_a_named_anchor_has_its_rating_and_keeps_its_interval() -> None:
    plain = made_up_posterior(MEANS)
    anchored = dataclasses.replace(plain, settings=FitSettings(anchor=Anchor(1114, "c02")))
    rows = {row.contestant: row for row in anchored.table()}
    assert rows["c02"].rating == pytest.approx(1114)
    for row in plain.table():
        assert rows[row.contestant].sd == pytest.approx(row.sd)


def test_rows_say_what_the_draws_say() -> None:
    posterior = made_up_posterior(MEANS)
    rows = posterior.table()
    assert [row.contestant for row in rows] == ["c00", "c02", "c01", "c03"]
    draws = posterior.ratings.reshape(-1, 4)[:, 0]
    first = rows[0]
    assert first.rating == pytest.approx(draws.mean())
    assert first.eti_94 == pytest.approx(tuple(np.percentile(draws, [3, 97])))
    assert first.eti_50 == pytest.approx(tuple(np.percentile(draws, [25, 75])))
    assert first.votes == int(posterior.board.votes[0])
    assert sum(row.p_best for row in rows) == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 7), st.floats(0.0, 2.0), st.integers(0, 2**32 - 1))
def test_rank_ranges_hold_94_percent_of_the_draws(size: int, spread: float, seed: int) -> None:
    mean = spread * np.random.default_rng(seed).normal(size=size)
    posterior = made_up_posterior(mean, chains=2, draws=100)
    ratings = posterior.ratings.reshape(-1, size)
    ranks = 1 + (ratings[:, None, :] > ratings[:, :, None]).sum(axis=-1)
    for row in posterior.table():
        own = ranks[:, posterior.contestants.index(row.contestant)]
        assert ((row.rank_best <= own) & (own <= row.rank_worst)).mean() >= 0.94
        assert {row.rank_best, row.rank_worst} <= set(own)
        low, high = row.eti_94
        assert low <= row.eti_50[0] <= row.eti_50[1] <= high


def test_superiority_is_antisymmetric_and_counts_draws() -> None:
    posterior = made_up_posterior(MEANS)
    beats = posterior.prob_beats()
    assert_allclose(beats + beats.T, 1)
    strengths = posterior.strengths.reshape(-1, 4)
    assert beats[0, 2] == (strengths[:, 0] > strengths[:, 2]).mean()
    assert superiority(np.array([[3.0, 2.0], [1.0, 2.0], [3.0, 2.0], [3.0, 2.0]]))[0, 1] == 0.75


def test_outcome_probabilities_are_davidsons() -> None:
    # P(win) : P(tie) : P(loss) = pi_i : nu sqrt(pi_i pi_j) : pi_j
    worth_i, worth_j, nu = 0.3, 0.1, 0.75
    weights = np.array([worth_i, nu * math.sqrt(worth_i * worth_j), worth_j])
    found = outcome_probabilities(
        "davidson", np.array(math.log(worth_i / worth_j)), np.array(math.log(nu))
    )
    assert_allclose(found, weights / weights.sum())
    assert_allclose(
        outcome_probabilities("davidson", np.array(3000.0), np.array(0.0)), [1, 0, 0], atol=1e-12
    )


def test_the_win_rate_of_equals_is_one_half() -> None:
    equals = np.zeros((10, 5))
    assert_allclose(expected_scores(equals, np.linspace(-2, 2, 10), "davidson"), 0.5)
    posterior = made_up_posterior(MEANS)
    assert np.mean([row.win_rate for row in posterior.table()]) == pytest.approx(0.5)


def test_a_contestant_without_votes_has_no_both_bad_rate() -> None:
    posterior = made_up_posterior(MEANS)
    nobody_met = Board.of(posterior.contestants, [], [], [])
    strengths = posterior.strengths.reshape(-1, 4)
    rows = rating_rows(strengths, strengths, posterior.tie.ravel(), "davidson", nobody_met)
    assert {(row.votes, row.both_bad_rate) for row in rows} == {(0, None)}


def test_a_failed_diagnosis_is_in_the_summary() -> None:
    assert "Sampled well: R-hat 1.00, 2,100 effective draws" in made_up_posterior(MEANS).summary
    failed = made_up_posterior(MEANS, findings=("The chains disagree.",))
    assert "Do not rely on these ratings: The chains disagree." in failed.summary


def test_draws_cannot_be_changed() -> None:
    posterior = made_up_posterior(MEANS)
    for array in (posterior.strengths, posterior.ratings, posterior.side):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
