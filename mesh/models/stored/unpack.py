"""Codes of 4 and 8 bits out of the 32-bit integers that checkpoints pack them into."""

from __future__ import annotations

import torch
from torch import Tensor

PER_WORD = {4: 8, 8: 4}
"""Codes in an integer, by bits. The first code is in the lowest bits."""


def unpack(words: Tensor, bits: int) -> Tensor:
    """int32 [...] -> uint8 [..., codes in an integer]; `bits` is 4 or 8."""
    # Little-endian, as safetensors files are.
    octets = words.contiguous().unsqueeze(-1).view(torch.uint8)
    if bits == 8:
        return octets
    return torch.stack((octets & 15, octets >> 4), -1).flatten(-2)


def unpack_columns(words: Tensor, bits: int) -> Tensor:
    """int32 [n, w] -> uint8 [n, w * codes], where a row's codes follow each other."""
    return unpack(words, bits).flatten(1)


def unpack_rows(words: Tensor, bits: int) -> Tensor:
    """int32 [w, n] -> uint8 [w * codes, n], where a column's codes follow each other."""
    return unpack(words, bits).transpose(1, 2).flatten(0, 1)


def covering(part: slice, length: int, per_word: int) -> tuple[slice, slice]:
    """Which integers hold the codes of `part` of a dimension of `length`, and where those codes
    lie among what the integers hold."""
    start, stop, _ = part.indices(length)
    first = start // per_word
    last = -(-stop // per_word)
    return slice(first, last), slice(start - first * per_word, stop - first * per_word)
