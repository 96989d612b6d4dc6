"""Masks of the tokens that the grammars of requests allow next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from llguidance import LLExecutor
from torch import Tensor

from rostra.mesh.engine.matcher import Matcher
from rostra.mesh.engine.transfer import upload

if TYPE_CHECKING:
    from rostra.mesh.engine.sampler import SamplingRow


class TokenMasks:
    """The masks of the rows of one step, in a buffer that is used again for the next."""

    def __init__(self) -> None:
        self._executor = LLExecutor()
        self._words = np.zeros((0, 0), dtype=np.int32)

    def of(
        self, rows: Sequence[SamplingRow], vocab_size: int
    ) -> tuple[list[int], npt.NDArray[np.int32] | None]:
        """Which rows have a matcher; and for each of those a bit for each token, the lowest first,
        int32 [m, ceil(vocab_size / 32)]: 1 where the grammar allows it. None for none.

        Nothing is allowed where a grammar cannot be followed any more. Valid until the next call.
        """
        masked = [i for i, row in enumerate(rows) if row.matcher is not None]
        if not masked:
            return masked, None
        num_words = -(-vocab_size // 32)
        if self._words.shape[0] < len(masked) or self._words.shape[1] != num_words:
            self._words = np.zeros((len(masked), num_words), dtype=np.int32)
        words = self._words[: len(masked)]
        matchers = [_caught_up(rows[i]) for i in masked]
        self._executor.unsafe_compute_mask_ptr(
            [(matcher.state, index) for index, matcher in enumerate(matchers)],
            words.ctypes.data,
            4 * num_words,
            len(matchers),
        )
        for index, matcher in enumerate(matchers):
            if matcher.state.is_error():
                words[index] = 0
        return masked, words


def apply_masks(
    logits: Tensor, masked: Sequence[int], words: npt.NDArray[np.int32] | None
) -> Tensor:
    """Logits [n, vocab] with minus infinity for what `TokenMasks.of` excludes; a copy, unless
    nothing has a mask."""
    if words is None:
        return logits
    logits = logits.clone()
    if logits.is_cuda:
        _apply_on_gpu(logits, words, upload(np.array(masked, np.int64), logits.device))
    else:
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        excluded = torch.from_numpy(bits[:, : logits.shape[1]] == 0)
        for i, row in zip(masked, excluded, strict=True):
            logits[i].masked_fill_(row, -math.inf)
    return logits


def warm_up(device: torch.device, vocab_size: int) -> None:
    """Compiles for a GPU what its masks need, so that nothing is compiled while serving."""
    logits = torch.zeros(1, vocab_size, device=device)
    words = np.zeros((1, -(-vocab_size // 32)), dtype=np.int32)
    _apply_on_gpu(logits, words, upload(np.zeros(1, np.int64), device))


def _apply_on_gpu(logits: Tensor, words: npt.NDArray[np.int32], rows: Tensor) -> None:
    # Where there is a GPU there is Triton.
    from rostra.kernels.token_mask import apply_token_mask

    apply_token_mask(logits, upload(words, logits.device), rows)


def _caught_up(row: SamplingRow) -> Matcher:
    assert row.matcher is not None
    assert row.in_flight is None
    row.matcher.catch_up(row)
    return row.matcher
