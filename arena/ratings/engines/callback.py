"""Log densities as C functions, which a sampler calls without Python and without its lock.

Called as Python, four chains wait for one lock, and unpacking the arguments takes as long as the
density of fifty contestants. Compiled once for all boards and kept on disk.

Numba looks for changes in the file of a function that it keeps, not in those of what it calls, so
what is kept here also goes by the text of the others.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types
from numpy.typing import NDArray

from rostra.arena.ratings.engines import block as blocks
from rostra.arena.ratings.engines import (
    cells,
    coordinates,
    elementary,
    judge_kernels,
    kernels,
    level_kernels,
    voter_kernels,
)
from rostra.arena.ratings.engines.block import (
    ARRAYS,
    DRAWS,
    LENGTH,
    Words,
    indices,
    matrix,
    vector,
    words_of,
)

FloatArray = NDArray[np.float64]

ORDER, BOTH_BAD, LEVELS, JUDGES, VOTERS = range(5)
"""First of the model's numbers; then come those of contestants, of the likelihood, of sides."""
MODEL, LEFT, RIGHT, VOTES, STYLE, TIE_STYLE, PRIORS, MIX, WHOSE, BESIDE, MAP = range(11)
"""Arrays of a block in their order: `MIX` of levels, `WHOSE` cells are, by judge or by voter,
`BESIDE` the covariates of judges or the careless voters' part; from `MAP` on those of
`coordinates`, if there are any."""
NOT_FINITE = 1
"""What tells the sampler to turn back."""

_compiled = njit(nogil=True, error_model="numpy")


@_compiled
def _at_point(block: Words, x: FloatArray) -> tuple[float, FloatArray]:
    kind, size, ties, side = words_of(block, MODEL)
    left, right, votes = indices(block, LEFT), indices(block, RIGHT), matrix(block, VOTES)
    priors = vector(block, PRIORS)
    if kind == BOTH_BAD:
        return kernels.both_bad(
            x, size, left, right, votes[0], votes[1], priors[0], priors[1], priors[2]
        )
    style_x, tie_style_x = matrix(block, STYLE), matrix(block, TIE_STYLE)
    if kind == ORDER:
        return kernels.order(
            x,
            size,
            ties,
            side != 0,
            left,
            right,
            votes,
            style_x,
            tie_style_x,
            priors[0],
            priors[1],
            priors[2],
            priors[3],
            priors[4],
        )
    mix, whose = matrix(block, MIX), indices(block, WHOSE)
    if kind == LEVELS:
        return level_kernels.levels(
            x, size, ties, side != 0, left, right, votes, style_x, tie_style_x, mix, priors
        )
    if kind == JUDGES:
        return judge_kernels.judges(
            x,
            size,
            ties,
            side != 0,
            left,
            right,
            votes,
            style_x,
            tie_style_x,
            mix,
            whose,
            matrix(block, BESIDE),
            priors,
        )
    return voter_kernels.voters(
        x,
        size,
        ties,
        side != 0,
        left,
        right,
        votes,
        style_x,
        tie_style_x,
        whose,
        vector(block, BESIDE),
        priors,
    )


@_compiled
def _log_density(block: Words, x: FloatArray) -> tuple[float, FloatArray]:
    if block[ARRAYS] == MAP:
        return _at_point(block, x)
    scale, told, pull = vector(block, MAP), vector(block, MAP + 1), vector(block, MAP + 2)
    axes, axes_transposed = matrix(block, MAP + 3), matrix(block, MAP + 4)
    mode = vector(block, MAP + 5)
    regression, residual = matrix(block, MAP + 6), matrix(block, MAP + 7)
    point = coordinates.to_point(
        x, scale, told, pull, axes, axes_transposed, mode, regression, residual
    )
    value, gradient = _at_point(block, point)
    return coordinates.pull_back(
        x,
        value,
        gradient,
        scale,
        told,
        pull,
        axes,
        axes_transposed,
        mode,
        regression,
        residual,
    )


@_compiled
def _voter_kinds(block: Words, points: FloatArray) -> FloatArray:
    _, size, ties, side = words_of(block, MODEL)
    left, careless = indices(block, LEFT), vector(block, BESIDE)
    found = np.empty((len(points), len(careless), 3))
    by_eta, by_tie = np.empty(len(left)), np.zeros(len(left))
    for draw in range(len(points)):
        voter_kernels.mixture(
            points[draw],
            size,
            ties,
            side != 0,
            left,
            indices(block, RIGHT),
            matrix(block, VOTES),
            matrix(block, STYLE),
            matrix(block, TIE_STYLE),
            indices(block, WHOSE),
            careless,
            by_eta,
            by_tie,
            found[draw],
        )
    return found


@_compiled
def _block_at(pointer: Any) -> Words:
    length = carray(pointer, (1,), np.int64)[LENGTH]
    return carray(pointer, (length,), np.int64)


_CALLED = (
    blocks,
    cells,
    coordinates,
    elementary,
    judge_kernels,
    kernels,
    level_kernels,
    voter_kernels,
)
_float64s = types.CPointer(types.float64)


def _compile(text: int) -> tuple[Any, Any, Any]:
    """The functions that are kept; of which `text` tells their files by the closure they are."""

    @njit(cache=True, nogil=True, error_model="numpy")
    def log_density(block: Words, x: FloatArray) -> tuple[float, FloatArray]:
        _ = text
        return _log_density(block, x)

    @cfunc(
        types.int64(types.uint64, _float64s, _float64s, _float64s, types.voidptr),
        cache=True,
        error_model="numpy",
    )
    def log_density_callback(ndim: int, x: Any, gradient: Any, value: Any, block: Any) -> int:
        _ = text
        found, by_x = _log_density(_block_at(block), carray(x, (ndim,)))
        carray(value, (1,))[0] = found
        finite, to = np.isfinite(found), carray(gradient, (ndim,))
        for i in range(ndim):
            to[i] = by_x[i]
            finite = finite and np.isfinite(by_x[i])
        return 0 if finite else NOT_FINITE

    @njit(cache=True, nogil=True, error_model="numpy")
    def voter_kinds(block: Words, points: FloatArray) -> FloatArray:
        _ = text
        return _voter_kinds(block, points)

    return log_density, log_density_callback, voter_kinds


log_density, log_density_callback, voter_kinds = _compile(
    zlib.crc32(b"".join(Path(str(module.__file__)).read_bytes() for module in _CALLED))
)
"""Of a block and `x` [ndim], the log density but for a constant and its gradient [ndim]; and the
same as nutpie calls it: from ndim, x, gradient, value and block, a status; and of a block of
`VOTERS` and points [draws, ndim], of which kind each voter is at each, [draws, voters, 3]."""


@cfunc(
    types.int64(types.uint64, types.uint64, _float64s, _float64s, types.voidptr),
    cache=True,
    error_model="numpy",
)
def draw_callback(ndim: int, size: int, x: Any, kept: Any, block: Any) -> int:
    """Called once for each draw `x` [ndim], which is kept as it is; the block counts them.

    Chains count at once, and one may undo another's step: for showing progress that does.
    """
    carray(block, (1 + DRAWS,), np.int64)[DRAWS] += 1
    to, point = carray(kept, (size,)), carray(x, (ndim,))
    for i in range(size):
        to[i] = point[i]
    return 0
