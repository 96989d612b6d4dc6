from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ratings_boards import CONTESTANTS, names
from structured_votes import centred, simulate_votes

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

LEVELS = ("code", "maths", "rare")
SPEC = ModelSpec(structure="categories", factor="category", both_bad="out")
SHARED = centred([0.9, 0.5, 0.1, -0.1, -0.4, -1.0])
# What is better at code is worse at maths.
EFFECT = centred([0.6, -0.6, 0.3, -0.3, 0.2, -0.2])
TRUTH = SHARED + np.array([EFFECT, -EFFECT, 0 * EFFECT])
VOTES = (5000, 2500, 5)


def votes(truth: np.ndarray, numbers: tuple[int, ...] = VOTES) -> Board:
    levels = np.repeat(np.arange(len(numbers)), numbers)
    return simulate_votes(np.random.default_rng(11), truth, levels, "category", LEVELS)


@pytest.fixture(scope="module")
def quick(settings: FitSettings) -> FitSettings:
    return dataclasses.replace(settings, engine="laplace")


@pytest.fixture(scope="module")
def posterior(quick: FitSettings) -> Posterior:
    return fit(votes(TRUTH), quick, spec=SPEC)


def test_planted_effects_come_back(posterior: Posterior) -> None:
    assert posterior.diagnostics.ok, posterior.summary
    draws = posterior.draws["level_strength"]
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
    assert sd[:2].max() < 0.1
    assert (np.abs(mean - TRUTH) < 4 * sd)[:2].all()
    # Every sign of the difference between the two levels.
    assert (np.sign(mean[0] - mean[1]) == np.sign(EFFECT)).all()
    assert 0.2 < posterior.draws["level_scale"].mean() < 0.8


def test_a_category_with_few_votes_lies_near_the_overall_ratings(posterior: Posterior) -> None:
    draws = posterior.draws["level_strength"]
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
    overall = posterior.strengths.mean(axis=(0, 1))
    # Five votes cannot tell an order, so it is that of the other levels, with a wide interval.
    assert np.abs(mean[2] - overall).max() < 0.4
    assert (sd[2] > 3 * sd[:2]).all()
    assert (np.abs(mean[2] - TRUTH[2]) < 3 * sd[2]).all()


def test_overall_is_the_mean_over_levels(posterior: Posterior) -> None:
    np.testing.assert_allclose(
        posterior.draws["level_strength"].mean(axis=2), posterior.strengths, atol=1e-9
    )


def test_levels_that_do_not_differ_are_pooled(quick: FitSettings) -> None:
    alike = fit(votes(np.tile(SHARED, (3, 1))), quick, spec=SPEC)
    assert np.quantile(alike.draws["level_scale"], 0.5) < 0.1
    sd = alike.draws["level_strength"].std(axis=(0, 1))
    # What is known of the others is nearly all there is to know of the category with five votes.
    assert sd[2].max() < 0.25


def test_a_level_is_a_posterior_of_its_own(posterior: Posterior) -> None:
    at_code = posterior.at("code")
    assert at_code.board.num_votes == VOTES[0]
    order = [row.contestant for row in at_code.table()]
    assert order[0] == names(CONTESTANTS)[0]
    assert order.index("c01") > order.index("c02")  # overall it is the other way round
    assert TRUTH[0, 1] < TRUTH[0, 2]


def test_a_single_category_is_refused() -> None:
    board = simulate_votes(
        np.random.default_rng(1), SHARED, np.zeros(50, dtype=np.int64), "category", ("code",)
    )
    with pytest.raises(RatingsError, match="every vote has the category 'code'"):
        models.build(board, SPEC)
