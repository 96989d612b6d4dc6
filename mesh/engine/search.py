"""Finds one entry in each row of a vocabulary's size.

Both searches go by blocks: first for the block, then inside it. PyTorch reduces a block many times
faster than it finds an index in, or sums up in double precision, a whole row.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 256


def first_largest(values: Tensor) -> Tensor:
    """The index of the largest entry of each row of [n, m], the lowest among equals; int64 [n]."""
    blocks = _in_blocks(values, -math.inf)
    block = blocks.amax(dim=-1).argmax(dim=-1)
    return block * _BLOCK + _pick(blocks, block).argmax(dim=-1)


def invert(weights: Tensor, draws: Tensor) -> Tensor:
    """Where each draw falls in the cumulative distribution of its row; int64 [n].

    `weights` is [n, m], not negative, of any positive sum; `draws` is float64 [n] in [0, 1). An
    entry of weight 0 is never found.
    """
    blocks = _in_blocks(weights, 0.0)
    block, rest = _locate(blocks.sum(dim=-1), draws)
    inside, _ = _locate(_pick(blocks, block), rest)
    return block * _BLOCK + inside


def _in_blocks(values: Tensor, fill: float) -> Tensor:
    rows, width = values.shape
    if width % _BLOCK:
        values = functional.pad(values, (0, -width % _BLOCK), value=fill)
    return values.reshape(rows, -1, _BLOCK)


def _pick(blocks: Tensor, block: Tensor) -> Tensor:
    return blocks[torch.arange(len(blocks), device=blocks.device), block]


def _locate(weights: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """The entry each draw falls in, and where in it, again as a number in [0, 1)."""
    cumulative = weights.cumsum(dim=-1, dtype=torch.float64)
    target = draws.unsqueeze(1) * cumulative[:, -1:]
    # A row that is not finite is nobody's token, but its index must stay inside the row.
    index = torch.searchsorted(cumulative, target, right=True).clamp(max=weights.shape[1] - 1)
    width = weights.gather(1, index).double()
    rest = (target - cumulative.gather(1, index) + width) / width
    return index.squeeze(1), rest.clamp(0.0, 1.0 - 2.0**-52).squeeze(1)
