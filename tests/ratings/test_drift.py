from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ratings_boards import CONTESTANTS
from structured_votes import simulate_votes

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

WEEKS = tuple(f"2026-08-{day:02d}" for day in (3, 10, 17, 24, 31)) + tuple(
    f"2026-09-{day:02d}" for day in (7, 14, 21)
)
SPEC = ModelSpec(structure="drift", factor="week", both_bad="out")
UP, STEADY, AWAY, DOWN = 0, 2, 3, 5
ABSENT = slice(3, 5)
VOTES_A_WEEK = 400


def truth() -> np.ndarray:
    """One contestant rises, one falls by as much, so the others stay where they are."""
    strengths = np.tile([0.0, 0.4, 0.1, -0.1, -0.4, 0.0], (len(WEEKS), 1))
    change = np.linspace(-0.7, 0.7, len(WEEKS))
    strengths[:, UP] += change
    strengths[:, DOWN] -= change
    return strengths


@pytest.fixture(scope="module")
def board() -> Board:
    present = np.ones((len(WEEKS), CONTESTANTS), dtype=bool)
    present[ABSENT, AWAY] = False
    levels = np.repeat(np.arange(len(WEEKS)), VOTES_A_WEEK)
    rng = np.random.default_rng(8)
    return simulate_votes(rng, truth(), levels, "week", WEEKS, present=present)


@pytest.fixture(scope="module")
def quick(settings: FitSettings) -> FitSettings:
    return dataclasses.replace(settings, engine="laplace")


@pytest.fixture(scope="module")
def posterior(board: Board, quick: FitSettings) -> Posterior:
    return fit(board, quick, spec=SPEC)


def test_a_planted_drift_is_followed(posterior: Posterior) -> None:
    draws = posterior.draws["level_strength"]
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
    assert (np.abs(mean - truth()) < 4 * sd).all()
    change = draws[:, :, -1] - draws[:, :, 0]
    assert np.quantile(change[..., UP], 0.001) > 0
    assert np.quantile(change[..., DOWN], 0.999) < 0
    assert change[..., UP].mean() > 0.9
    # What is rated is the last week, not the mean of all, where the two are equals.
    np.testing.assert_allclose(posterior.strengths, draws[:, :, -1], atol=1e-9)
    assert posterior.prob_beats()[UP, DOWN] > 0.999


def test_who_does_not_change_is_known_better_than_by_the_week(
    board: Board, posterior: Posterior, quick: FitSettings
) -> None:
    draws = posterior.draws["level_strength"][..., STEADY]
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
    assert np.ptp(mean) < 0.35
    spec = ModelSpec(both_bad="out")
    weeks = [fit(board.where("week", week), quick, spec=spec) for week in WEEKS[1:3]]
    apart = np.array([week.strengths[..., STEADY].std() for week in weeks])
    assert (sd[1:3] < 0.85 * apart).all()


def test_who_is_absent_is_interpolated_with_a_wider_interval(posterior: Posterior) -> None:
    draws = posterior.draws["level_strength"]
    sd = draws.std(axis=(0, 1))
    inside = sd[ABSENT, AWAY].min()
    assert inside > 1.15 * sd[1:3, AWAY].max()
    assert inside > 1.15 * sd[ABSENT, STEADY].max()
    mean = draws.mean(axis=(0, 1))[:, AWAY]
    low, high = sorted((mean[2], mean[5]))
    assert (low - 0.05 < mean[ABSENT]).all()
    assert (mean[ABSENT] < high + 0.05).all()


def test_a_single_period_is_refused() -> None:
    one = simulate_votes(
        np.random.default_rng(1), truth()[0], np.zeros(50, dtype=np.int64), "week", WEEKS[:1]
    )
    with pytest.raises(RatingsError, match="every vote is of the week '2026-08-03'"):
        models.build(one, SPEC)
