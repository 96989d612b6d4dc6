"""The vectorised exponential and logarithm against NumPy's."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rostra.arena.ratings.engines import elementary

FloatArray = NDArray[np.float64]
RNG = np.random.default_rng(1)


@njit(error_model="numpy")
def logs(x: FloatArray) -> FloatArray:
    found = np.empty_like(x)
    for i in range(len(x)):
        found[i] = elementary.log(x[i])
    return found


@njit(error_model="numpy")
def exps(x: FloatArray) -> FloatArray:
    found = np.empty_like(x)
    for i in range(len(x)):
        found[i] = elementary.exp(x[i])
    return found


def last_places(found: FloatArray, expected: FloatArray) -> float:
    """The largest error in units of the last place."""
    return float((np.abs(found - expected) / np.spacing(np.abs(expected))).max())


def test_the_logarithm() -> None:
    near_one = 1 + RNG.exponential(size=10_000) * 10.0 ** RNG.integers(-16, 3, 10_000)
    x = np.concatenate(
        [near_one, 1 / near_one, 10.0 ** RNG.uniform(-307, 308, 10_000), [2.3e-308, 1.7e308]]
    )
    x = x[x != 1]
    assert last_places(logs(x), np.log(x)) <= 1
    assert (logs(np.array([1.0, np.inf])) == [0, np.inf]).all()
    assert np.isnan(logs(np.array([np.nan]))).all()


def test_the_exponential() -> None:
    x = np.concatenate(
        [
            RNG.normal(size=10_000) * 10.0 ** RNG.integers(-16, 2, 10_000),
            RNG.uniform(-708, 708, 10_000),
            [0.0, -0.0, 708.0, -708.0, 5e-324],
        ]
    )
    x = x.clip(-708, 708)
    assert last_places(exps(x), np.exp(x)) <= 2
    far = np.array([708.1, 1e9, 1e300, np.inf, -708.1, -1e9, -1e300, -np.inf])
    assert (exps(far) == [np.inf] * 4 + [0] * 4).all()
    assert np.isnan(exps(np.array([np.nan]))).all()


def test_loops_over_them_are_vectorised() -> None:
    """Not called: a call in the loop would leave it one number at a time."""
    for compiled in (logs, exps):
        compiled(np.ones(4))
        (assembly,) = compiled.inspect_asm().values()
        calls = [line for line in assembly.splitlines() if "\tcall" in line]
        assert not [line for line in calls if any(name in line for name in ("elementary", "log@"))]
