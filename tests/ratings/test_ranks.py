from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from ratings_boards import made_up_posterior, posterior_of

from rostra.arena.ratings.summary.ranks import ranks


def test_the_distribution_counts_the_draws() -> None:
    found = ranks(posterior_of([[3, 2, 1], [2, 3, 1], [3, 2, 1], [3, 1, 2]]))
    assert_allclose(found.distribution, [[0.75, 0.25, 0], [0.25, 0.5, 0.25], [0, 0.25, 0.75]])
    assert_allclose(found.p_best, [0.75, 0.25, 0])
    assert_allclose(found.p_top(2), [1, 0.75, 0.25])
    assert_allclose(found.expected, [1.25, 2, 2.75])
    assert (found.best.tolist(), found.worst.tolist()) == ([1, 1, 2], [2, 3, 3])


def test_equal_draws_share_the_better_rank() -> None:
    found = ranks(posterior_of([[1, 1, 0]]))
    assert_allclose(found.distribution, [[1, 0, 0], [1, 0, 0], [0, 0, 1]])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 7), st.floats(0.0, 2.0), st.integers(0, 2**32 - 1))
def test_brute_force_gives_the_same(size: int, spread: float, seed: int) -> None:
    mean = spread * np.random.default_rng(seed).normal(size=size)
    posterior = made_up_posterior(mean, chains=2, draws=100)
    found = ranks(posterior)
    strengths = posterior.strengths.reshape(-1, size)
    by_draw = 1 + (strengths[:, None, :] > strengths[:, :, None]).sum(axis=-1)
    assert_allclose(found.distribution.sum(axis=1), 1)
    assert_allclose(found.distribution.sum(axis=0), 1)
    assert_allclose(found.expected, by_draw.mean(axis=0))
    for i in range(size):
        own = by_draw[:, i]
        assert_allclose(found.distribution[i], [(own == k).mean() for k in range(1, size + 1)])
        assert ((found.best[i] <= own) & (own <= found.worst[i])).mean() >= 0.94
        assert (own < found.best[i]).mean() < 0.03
        assert {found.best[i], found.worst[i]} <= set(own)
