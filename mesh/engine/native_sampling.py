"""The sampler's compiled kernels for a CPU, as functions of tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rostra.mesh.ops.native import library

_ADDRESS, _INT = ctypes.c_void_p, ctypes.c_int64


class NativeSampling:
    """`logits` is float32 of shape [n, vocab] on the CPU, any stride between its rows."""

    def __init__(self, compiled: ctypes.CDLL) -> None:
        self._choose = _declare(
            compiled.rostra_choose_tokens, _ADDRESS, _INT, _INT, _INT, *[_ADDRESS] * 4
        )
        self._likeliest = _declare(
            compiled.rostra_likeliest_tokens, _ADDRESS, *[_INT] * 4, *[_ADDRESS] * 3
        )

    def choose(
        self,
        logits: Tensor,
        settings: npt.NDArray[np.float64],
        masked: Sequence[int] = (),
        words: npt.NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens, int64 [n], -1 where the largest logit is not finite; and that logit, float32 [n].

        `settings` is [n, 5]: temperature (0 takes the largest logit, the first among equals), a
        draw in [0, 1), top_k (0: no limit), top_p and min_p. Row `masked[i]` chooses among the
        tokens whose bits `words[i]` has; `words` is [m, ceil(vocab / 32)], the lowest bit first.
        """
        logits = logits.contiguous() if logits.stride(1) != 1 else logits
        rows, vocab = logits.shape
        token_ids = torch.empty(rows, dtype=torch.int64)
        best = torch.empty(rows)
        settings = np.ascontiguousarray(settings)
        masks = np.zeros(rows, dtype=np.uint64)
        if words is not None:
            assert words.flags.c_contiguous
            assert words.shape == (len(masked), -(-vocab // 32))
            masks[masked] = words.ctypes.data + words.strides[0] * np.arange(len(masked))
        self._choose(
            logits.data_ptr(),
            logits.stride(0),
            rows,
            vocab,
            settings.ctypes.data,
            masks.ctypes.data,
            token_ids.data_ptr(),
            best.data_ptr(),
        )
        return token_ids, best

    def likeliest(self, logits: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """The largest `count` <= vocab logits of each row, float32 [n, count], best first, equals
        in order of their ids; those ids, int64; and the logarithm of the sum of the exponentials
        of all logits, float32 [n]."""
        logits = logits.contiguous() if logits.stride(1) != 1 else logits
        rows, vocab = logits.shape
        values = torch.empty(rows, count)
        token_ids = torch.empty(rows, count, dtype=torch.int64)
        normaliser = torch.empty(rows)
        self._likeliest(
            logits.data_ptr(),
            logits.stride(0),
            rows,
            vocab,
            count,
            token_ids.data_ptr(),
            values.data_ptr(),
            normaliser.data_ptr(),
        )
        return values, token_ids, normaliser


@cache
def native_sampling() -> NativeSampling | None:
    """None where there are no compiled kernels."""
    compiled = library()
    return None if compiled is None else NativeSampling(compiled)


def _declare(function: Any, *arguments: type) -> Callable[..., None]:
    function.argtypes = arguments
    function.restype = None
    return function
