"""Narrower storage that loses nothing."""

from __future__ import annotations

import torch
from torch import Tensor


def in_16_bits(weight: Tensor) -> Tensor:
    """`weight` in float16 or bfloat16 where that loses nothing, else as it is.

    Checkpoints are 16 bits wide, so only one that was trained or merged in float32 stays so.
    """
    if weight.dtype != torch.float32:
        return weight
    for dtype in (torch.float16, torch.bfloat16):
        narrow = weight.to(dtype)
        if torch.equal(narrow.float(), weight):
            return narrow
    return weight
