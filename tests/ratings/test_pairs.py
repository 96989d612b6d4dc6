from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from ratings_boards import made_up_posterior, posterior_of, two_groups

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.spec import ModelSpec, Ties
from rostra.arena.ratings.summary.pairs import difference, pairs

MEANS = np.array([0.8, -0.3, 0.1, -0.6])


def test_superiority_is_antisymmetric_and_counts_draws() -> None:
    posterior = made_up_posterior(MEANS)
    beats = pairs(posterior).superiority
    assert_allclose(beats + beats.T, 1)
    strengths = posterior.strengths.reshape(-1, 4)
    assert beats[0, 2] == (strengths[:, 0] > strengths[:, 2]).mean()
    assert pairs(posterior_of([[3, 2], [1, 2], [3, 2], [3, 2]])).superiority[0, 1] == 0.75


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_the_chance_of_one_vote_is_that_of_every_draw(ties: Ties) -> None:
    posterior = dataclasses.replace(made_up_posterior(MEANS), spec=ModelSpec(ties=ties))
    found = pairs(posterior)
    strengths, tie = posterior.strengths.reshape(-1, 4), posterior.tie.ravel()
    for i in range(4):
        for j in range(4):
            chances = outcome_probabilities(ties, strengths[:, i] - strengths[:, j], tie)
            win = chances[:, 0]
            assert found.win[i, j] == pytest.approx(win.mean())
            assert found.tie[i, j] == pytest.approx(chances[:, 1].mean())
            assert_allclose(found.win_94[i, j], np.quantile(win, [0.03, 0.97]), rtol=1e-6)
            assert_allclose(found.win_50[i, j], np.quantile(win, [0.25, 0.75]), rtol=1e-6)
    assert_allclose(found.score + found.score.T, 1)
    assert_allclose(found.win + found.win.T + found.tie, 1)


def test_many_votes_make_superiority_sure_and_leave_the_single_vote_open() -> None:
    found = pairs(made_up_posterior(np.array([0.1, -0.1]), sd=0.001))
    assert found.superiority[0, 1] == 1
    assert 0.3 < found.win[0, 1] < 0.55


def test_two_that_no_votes_link_have_no_probability() -> None:
    posterior = dataclasses.replace(made_up_posterior(MEANS), board=two_groups())
    found = pairs(posterior)
    apart = ~posterior.linked
    assert apart.sum() == 8
    for array in (found.superiority, found.win, found.tie, found.win_94, found.win_50):
        assert_array_equal(np.isnan(array).reshape(4, 4, -1).all(axis=-1), apart)


def test_a_difference_has_the_normal_distributions_shares() -> None:
    rng = np.random.default_rng(3)
    ahead = rng.normal(30, 20, size=200_000) / ELO_PER_NAT
    found = difference(posterior_of(np.column_stack([ahead / 2, -ahead / 2])), "c00", "c01", 10)
    below = (1 + math.erf((-10 - 30) / 20 / math.sqrt(2))) / 2
    above = 1 - (1 + math.erf((10 - 30) / 20 / math.sqrt(2))) / 2
    assert found.mean == pytest.approx(30, abs=0.2)
    assert found.sd == pytest.approx(20, abs=0.2)
    assert (found.below, found.above) == pytest.approx((below, above), abs=0.005)
    assert found.below + found.inside + found.above == pytest.approx(1)
    assert found.eti_94 == pytest.approx((30 - 1.8808 * 20, 30 + 1.8808 * 20), abs=0.5)
    assert found.eti_50 == pytest.approx((30 - 0.6745 * 20, 30 + 0.6745 * 20), abs=0.3)
    assert found.linked


def test_the_difference_the_other_way_is_its_mirror() -> None:
    posterior = made_up_posterior(MEANS)
    one, other = difference(posterior, "c00", "c02"), difference(posterior, "c02", "c00")
    assert other.mean == pytest.approx(-one.mean)
    assert (other.below, other.above) == (one.above, one.below)
    assert difference(posterior, "c00", "c02", rope=0).inside == pytest.approx(0)


def test_a_difference_across_groups_says_so() -> None:
    posterior = dataclasses.replace(made_up_posterior(MEANS), board=two_groups())
    assert not difference(posterior, "c00", "c02").linked
    assert difference(posterior, "c00", "c01").linked


def test_what_cannot_be_asked_is_refused() -> None:
    posterior = made_up_posterior(MEANS)
    with pytest.raises(RatingsError, match="'yak' is not a contestant; take one of c00, c01"):
        difference(posterior, "c00", "yak")
    for rope in (-1.0, math.nan):
        with pytest.raises(RatingsError, match="give 0 or more"):
            difference(posterior, "c00", "c01", rope)
