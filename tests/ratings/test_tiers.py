from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from ratings_boards import made_up_posterior, posterior_of, two_groups
from scipy.stats import norm, studentized_range

from rostra.arena.ratings.summary.tiers import simultaneous_width, tiers


def every_pair(size: int) -> np.ndarray:
    return np.ones((size, size), dtype=bool)


def test_two_contestants_have_the_normal_quantile() -> None:
    draws = np.random.default_rng(0).normal(size=(400_000, 2))
    width, sd = simultaneous_width(draws, every_pair(2))
    assert width == pytest.approx(norm.ppf(0.97), abs=0.01)
    assert sd[0, 1] == pytest.approx(np.sqrt(2), abs=0.01)


@pytest.mark.parametrize("size", [3, 10])
def test_independent_strengths_have_tukeys_studentised_range(size: int) -> None:
    draws = np.random.default_rng(1).normal(size=(100_000, size))
    width, _ = simultaneous_width(draws, every_pair(size))
    exact = studentized_range.ppf(0.94, size, np.inf) / np.sqrt(2)
    assert width == pytest.approx(exact, abs=0.02)


def test_brute_force_over_pairs_gives_the_same() -> None:
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 5))
    width, sd = simultaneous_width(draws, every_pair(5))
    largest = np.zeros(500)
    for i, j in itertools.combinations(range(5), 2):
        ahead = draws[:, i] - draws[:, j]
        assert sd[i, j] == pytest.approx(ahead.std(ddof=1))
        largest = np.maximum(largest, np.abs(ahead - ahead.mean()) / ahead.std(ddof=1))
    assert width == pytest.approx(np.quantile(largest, 0.94))


def test_tiers_follow_the_separation() -> None:
    found = tiers(made_up_posterior(np.array([2.0, 0.0, 1.9, -2.0, 0.1]), sd=0.1))
    assert found.tier.tolist() == [1, 2, 1, 3, 2]
    assert_array_equal(found.separated, found.tier[:, None] != found.tier[None, :])


def test_the_first_of_a_tier_is_separated_from_the_first_above_and_from_none_of_its_own() -> None:
    rng = np.random.default_rng(4)
    posterior = made_up_posterior(rng.normal(size=20), sd=0.15)
    found = tiers(posterior)
    assert_array_equal(found.separated, found.separated.T)
    mean = posterior.flat_strengths.mean(axis=0)
    order = np.argsort(-mean)
    assert (np.diff(found.tier[order]) >= 0).all()
    firsts = [order[found.tier[order] == k][0] for k in range(1, found.tier.max() + 1)]
    assert len(firsts) > 2
    assert all(found.separated[a, b] for a, b in itertools.pairwise(firsts))
    for k, first in enumerate(firsts, start=1):
        assert not found.separated[first, found.tier == k].any()


def test_equals_are_falsely_separated_in_six_of_a_hundred_boards_and_no_more() -> None:
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(400):
        # The posterior's mean is itself an estimate, off by as much as the posterior says.
        draws = 0.1 * rng.normal(size=8) + 0.1 * rng.normal(size=(400, 8))
        false += tiers(posterior_of(draws)).separated.any()
    assert 0.02 < false / 400 < 0.10


def test_groups_that_never_met_are_not_separated() -> None:
    apart = made_up_posterior(np.array([3.0, 2.0, -2.0, -3.0]), sd=0.05)
    assert tiers(apart).tier.tolist() == [1, 2, 3, 4]
    found = tiers(dataclasses.replace(apart, board=two_groups()))
    assert not found.separated[:2, 2:].any()
    assert found.separated[0, 1]
    assert found.separated[2, 3]


def test_strengths_that_never_vary_are_separated_when_they_differ() -> None:
    found = tiers(posterior_of([[1.0, 1.0, -2.0]] * 50))
    assert found.tier.tolist() == [1, 1, 2]
    assert_allclose(found.width, 0)
