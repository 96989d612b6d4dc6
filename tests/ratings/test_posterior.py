from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from ratings_boards import made_up_posterior

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec

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


def test_the_strengths_of_a_level_take_the_place_of_the_overall_ones() -> None:
    plain = made_up_posterior(MEANS)
    board = plain.board
    rows = np.arange(len(board.left)) % 2
    by_level = dataclasses.replace(
        plain,
        board=Board.of(
            board.contestants,
            board.left,
            board.right,
            board.table,
            {"category": Factor(("code", "prose"), rows)},
        ),
        draws={
            **plain.draws,
            "level_strength": np.stack([plain.strengths + 1, -plain.strengths], axis=2),
            "level_scale": np.full(plain.side.shape, 0.2),
        },
        spec=ModelSpec(structure="categories", factor="category"),
    )
    assert by_level.levels == ("code", "prose")
    code, prose = by_level.at("code"), by_level.at("prose")
    assert_allclose(code.strengths, plain.strengths, atol=1e-12)
    assert [row.contestant for row in prose.rows] == [row.contestant for row in plain.rows][::-1]
    assert code.board.num_votes + prose.board.num_votes == board.num_votes
    assert (prose.level, prose.levels, prose.whole) == ("prose", (), by_level.board)
    assert not {"level_strength", "level_scale"} & set(prose.draws)
    assert_allclose(prose.side, plain.side)
    with pytest.raises(RatingsError, match="no strengths at level 'maths'; there are code, prose"):
        by_level.at("maths")
    with pytest.raises(RatingsError, match="there are none here"):
        plain.at("code")


def test_pooled_levels_link_those_that_met_at_another_level() -> None:
    names = ("ant", "bee", "cat")
    board = Board.of(
        names,
        [0, 1],
        [1, 2],
        [[5, 1, 2, 0], [4, 1, 3, 0]],
        {"category": Factor(("code", "prose"), np.array([0, 1]))},
    )
    plain = made_up_posterior(MEANS[:3])
    posterior = dataclasses.replace(
        plain,
        board=board,
        draws={**plain.draws, "level_strength": np.stack([plain.strengths] * 2, axis=2)},
        spec=ModelSpec(structure="categories", factor="category"),
    ).at("code")
    assert posterior.board.components == (("ant", "bee"), ("cat",))
    assert posterior.linked.all()
    (cat,) = (row for row in posterior.rows if row.contestant == "cat")
    assert "the one overall" in cat.caution


def test_a_failed_diagnosis_is_in_the_summary() -> None:
    assert "Sampled well: R-hat 1.00, 2,100 effective draws" in made_up_posterior(MEANS).summary
    failed = made_up_posterior(MEANS, findings=("The chains disagree.",))
    assert "Do not rely on these ratings: The chains disagree." in failed.summary


def test_draws_cannot_be_changed() -> None:
    posterior = made_up_posterior(MEANS)
    for array in (posterior.strengths, posterior.ratings, posterior.side):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
