"""What a sampler calls by address gives what Python is given."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from ratings_boards import CONTESTANTS, Truth, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.engines import callback, densities, latent_models
from rostra.arena.ratings.engines.block import DRAWS, indices, matrix, pack, words_of
from rostra.arena.ratings.engines.densities import Density
from rostra.arena.ratings.engines.whitening import Whitened, whiten
from rostra.arena.ratings.models import values
from rostra.arena.ratings.spec import ModelSpec

TRUTH = Truth(np.array([0.9, 0.5, 0.1, -0.1, -0.4, -1.0]), side=0.5, tie=0.3)
BOARD = simulate(np.random.default_rng(3), TRUTH, votes=500, both_bad=0.2)
DOUBLES = ctypes.POINTER(ctypes.c_double)


def order() -> tuple[Density, Whitened]:
    spec = ModelSpec(both_bad="out")
    data = models.data(BOARD, spec)
    density = densities.order(CONTESTANTS, spec, data)
    return density, whiten(density, latent_models.order(CONTESTANTS, spec, data))


def both_bad() -> tuple[Density, Whitened]:
    spec, data = ModelSpec(), values.both_bad(BOARD)
    density = densities.both_bad(CONTESTANTS, spec, data)
    return density, whiten(density, latent_models.both_bad(CONTESTANTS, spec, data))


def called(block: np.ndarray, x: np.ndarray) -> tuple[int, float, np.ndarray]:
    value, gradient = ctypes.c_double(), np.zeros(len(x))
    function = ctypes.CFUNCTYPE(
        ctypes.c_int64, ctypes.c_uint64, DOUBLES, DOUBLES, DOUBLES, ctypes.c_void_p
    )(callback.log_density_callback.address)
    status = function(
        len(x),
        x.ctypes.data_as(DOUBLES),
        gradient.ctypes.data_as(DOUBLES),
        ctypes.pointer(value),
        block.ctypes.data,
    )
    return status, value.value, gradient


@pytest.mark.parametrize("both", [order, both_bad])
def test_the_same_as_in_python(both) -> None:
    for density in both():
        x = np.random.default_rng(1).normal(size=density.ndim)
        status, value, gradient = called(density.block, x)
        expected_value, expected_gradient = density.logp(x)
        assert (status, value) == (0, expected_value)
        assert_array_equal(gradient, expected_gradient)


def test_what_is_not_finite_is_told() -> None:
    density, _ = order()
    status, _, _ = called(density.block, np.full(density.ndim, 5e3))
    assert status == callback.NOT_FINITE


def test_draws_are_kept_and_counted() -> None:
    block, x, kept = pack([np.ones(2)]), np.array([1.5, -2.5, 3.0]), np.zeros(3)
    function = ctypes.CFUNCTYPE(
        ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, DOUBLES, DOUBLES, ctypes.c_void_p
    )(callback.draw_callback.address)
    for number in (1, 2):
        function(3, 3, x.ctypes.data_as(DOUBLES), kept.ctypes.data_as(DOUBLES), block.ctypes.data)
        assert block[DRAWS] == number
    assert_array_equal(kept, x)


def test_arrays_come_out_of_a_block_as_they_went_in() -> None:
    wide, whole, none = np.arange(6.0).reshape(2, 3), np.arange(4), np.empty((5, 0))
    block = pack([wide, whole.astype(np.uintp), none, whole])
    assert_array_equal(matrix(block, 0), wide)
    assert_array_equal(indices(block, 1), whole)
    assert matrix(block, 2).shape == (5, 0)
    assert_array_equal(words_of(block, 3), whole)
