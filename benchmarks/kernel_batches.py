"""Batches for paged attention: random contents in shuffled pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rostra.kernels.paged_attention import paged_attention

PAGE = 16


@dataclass
class Batch:
    """Sequences of (new tokens, context with them), and the arguments of `paged_attention`."""

    lengths: Sequence[tuple[int, int]]
    num_heads: int
    num_kv_heads: int
    head_size: int
    dtype: torch.dtype = torch.bfloat16
    cache_dtype: torch.dtype | None = None
    max_seq_len: int | None = None
    """The bound the launch is told, where not the longest context."""
    device: str = "cuda"
    args: tuple[Tensor, ...] = field(init=False)
    options: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        seq_lens = [context for _, context in self.lengths]
        longest = max(seq_lens)
        widths = [-(-context // PAGE) for context in seq_lens]
        num_pages = sum(widths)
        pages = torch.randperm(num_pages, dtype=torch.int32, device=self.device)
        table = torch.zeros(len(seq_lens), max(widths), dtype=torch.int32, device=self.device)
        used = 0
        for row, width in zip(table, widths, strict=True):
            row[:width] = pages[used : used + width]
            used += width
        starts = [0]
        for new, _ in self.lengths:
            starts.append(starts[-1] + new)
        shape = (num_pages, PAGE, self.num_kv_heads, self.head_size)
        self.args = (
            self._random(starts[-1], self.num_heads, self.head_size, dtype=self.dtype),
            self._random(*shape, dtype=self.cache_dtype or self.dtype),
            self._random(*shape, dtype=self.cache_dtype or self.dtype),
            table,
            torch.tensor(starts, dtype=torch.int32, device=self.device),
            torch.tensor(seq_lens, dtype=torch.int32, device=self.device),
        )
        self.options = {
            "scale": self.head_size**-0.5,
            "max_query_len": max(new for new, _ in self.lengths),
            "max_seq_len": self.max_seq_len or longest,
        }

    def _random(self, *shape: int, dtype: torch.dtype) -> Tensor:
        # Page by page, or float32 copies of a large cache would not fit beside it.
        out = torch.empty(shape, dtype=dtype, device=self.device)
        for part in out.split(max(1, 2**26 * shape[0] // max(1, out.numel()))):
            part.copy_(torch.randn(part.shape, device=self.device))
        return out

    def run(self) -> Tensor:
        return paged_attention(*self.args, **self.options)

    @property
    def num_bytes(self) -> int:
        """What must be moved: keys and values once, queries in, results out."""
        query, key_cache = self.args[:2]
        row = self.num_kv_heads * self.head_size * key_cache.element_size()
        keys = sum(context for _, context in self.lengths) * row
        return 2 * keys + 2 * query.numel() * query.element_size()

    @property
    def flop(self) -> int:
        """Of the two products, with the keys that causality leaves."""
        seen = sum(new * (context - new) + new * (new + 1) // 2 for new, context in self.lengths)
        return 4 * seen * self.num_heads * self.head_size


def cache_bytes(num_tokens: int, num_kv_heads: int, head_size: int, itemsize: int) -> int:
    return 2 * num_tokens * num_kv_heads * head_size * itemsize
