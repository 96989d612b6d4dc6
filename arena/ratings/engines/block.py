"""Arrays in one block of memory, which compiled code reads when it knows where that begins.

A sampler in another language calls a function by its address and hands it one pointer. The block is
of 64-bit words: its length, the number of draws that were made from it, the number of arrays, then
for each its first word, its rows and its columns, then the arrays, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Words = NDArray[np.int64]
FloatArray = NDArray[np.float64]

LENGTH, DRAWS, ARRAYS, HEAD = range(4)
PLACE = 3
"""Words for each array in the head."""

_compiled = njit(nogil=True, error_model="numpy")


def pack(arrays: Sequence[NDArray[Any]]) -> Words:
    """`arrays`: of float64, int64 or uint64 with one or two dimensions."""
    parts = [np.ascontiguousarray(array).view(np.int64).ravel() for array in arrays]
    first = HEAD + PLACE * len(arrays)
    places = []
    for array, part in zip(arrays, parts, strict=True):
        places += [first, *(array.shape if array.ndim == 2 else (1, len(array)))]
        first += len(part)
    head = np.array([first, 0, len(arrays), *places], dtype=np.int64)
    return np.concatenate([head, *parts])


@_compiled
def words_of(block: Words, number: int) -> Words:
    """Array `number` as whole numbers, its rows one after another."""
    at = HEAD + PLACE * number
    return block[block[at] : block[at] + block[at + 1] * block[at + 2]]


@_compiled
def vector(block: Words, number: int) -> FloatArray:
    return words_of(block, number).view(np.float64)


@_compiled
def matrix(block: Words, number: int) -> FloatArray:
    at = HEAD + PLACE * number
    return vector(block, number).reshape(block[at + 1], block[at + 2])


@_compiled
def indices(block: Words, number: int) -> NDArray[np.uintp]:
    return words_of(block, number).view(np.uintp)
