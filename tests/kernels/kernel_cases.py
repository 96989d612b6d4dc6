"""Random arguments for the kernels, and how close to the reference a result must be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
HEADS = [(9, 3), (8, 8), (8, 1), (6, 2), (16, 1), (7, 1), (14, 2), (18, 2)]
"""(query heads, key-value heads): groups of 1 to 16, most of them no power of two."""
HEAD_SIZES = [16, 64, 80, 96]
FP8 = torch.float8_e4m3fn
PAGES = [8, 16, 32, 64, 128, 256]
PRECISION = {torch.float32: 1e-5, torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}


def assert_close(actual, expected, roundings=2.0):
    """Equal but for `roundings` times the precision of the type, relative to the largest element.

    The interpreter truncates to bfloat16 where a GPU rounds, which costs one bit.
    """
    assert actual.dtype == expected.dtype
    scale = max(1.0, expected.float().abs().max().item()) if expected.numel() else 1.0
    atol = roundings * PRECISION[expected.dtype] * scale
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=atol)


@dataclass(frozen=True)
class AttentionCase:
    """A batch of sequences of (new tokens, tokens before them)."""

    lengths: tuple[tuple[int, int], ...]
    heads: tuple[int, int] = (9, 3)
    head_size: int = 64
    page: int = 16
    dtype: torch.dtype = torch.float32
    cache_dtype: torch.dtype | None = None
    """Of the cache, where not `dtype`."""
    key_scale: float = 1.0
    value_scale: float = 1.0
    sliding_window: int | None = None
    soft_cap: float | None = None
    padding: int = 0
    """Query rows that belong to nobody, as a CUDA graph has."""
    seed: int = 0

    def build(self):
        """Arguments and options of `paged_attention`. What no sequence owns is poison."""
        generator = torch.Generator().manual_seed(self.seed)

        cache_dtype = self.cache_dtype or self.dtype

        def normal(*shape, dtype=self.dtype):
            return torch.randn(shape, generator=generator).to(dtype)

        num_heads, num_kv_heads = self.heads
        query_lens = torch.tensor([new for new, _ in self.lengths])
        seq_lens = torch.tensor([new + before for new, before in self.lengths])
        needed = -(-seq_lens // self.page)
        num_pages = int(needed.sum()) + 3
        shape = (num_pages, self.page, num_kv_heads, self.head_size)
        key_cache = torch.full(shape, float("nan"), dtype=cache_dtype)
        value_cache = key_cache.clone()
        free = torch.randperm(num_pages, generator=generator).tolist()
        block_table = torch.full((len(self.lengths), int(needed.max()) + 2), 2**30)
        for s, seq_len in enumerate(seq_lens.tolist()):
            for i in range(int(needed[s])):
                block_table[s, i] = block = free.pop()
                filled = min(self.page, seq_len - i * self.page)
                filling = (filled, num_kv_heads, self.head_size)
                key_cache[block, :filled] = normal(*filling, dtype=cache_dtype)
                value_cache[block, :filled] = normal(*filling, dtype=cache_dtype)
        starts = torch.cat((torch.zeros(1), query_lens.cumsum(0)))
        args = (
            normal(int(query_lens.sum()) + self.padding, num_heads, self.head_size),
            key_cache,
            value_cache,
            block_table.int(),
            starts.int(),
            seq_lens.int(),
        )
        options = {
            "scale": self.head_size**-0.5,
            "max_query_len": int(query_lens.max()),
            "max_seq_len": int(seq_lens.max()),
            "sliding_window": self.sliding_window,
            "soft_cap": self.soft_cap,
            "key_scale": self.key_scale,
            "value_scale": self.value_scale,
        }
        return args, options


def has_queries(lengths):
    return any(new for new, _ in lengths)


def batches(max_seqs, max_new, heads):
    """Ragged batches; the interpreter takes milliseconds for each program, so all is small."""
    lengths = (
        st.tuples(st.integers(1, max_new), st.integers(0, 40))
        | st.tuples(st.just(1), st.integers(0, 150))
        | st.tuples(st.just(0), st.integers(0, 20))
    )
    return st.builds(
        AttentionCase,
        lengths=st.lists(lengths, min_size=1, max_size=max_seqs).map(tuple).filter(has_queries),
        heads=st.sampled_from(heads),
        head_size=st.sampled_from(HEAD_SIZES),
        page=st.sampled_from(PAGES),
        dtype=st.sampled_from(DTYPES),
        cache_dtype=st.none() | st.just(FP8),
        key_scale=st.sampled_from([1.0, 0.25, 3.0]),
        value_scale=st.sampled_from([1.0, 0.5, 2.0]),
        sliding_window=st.none() | st.integers(1, 100),
        soft_cap=st.none() | st.floats(0.5, 50.0),
        padding=st.integers(0, 5),
        seed=st.integers(0, 2**31),
    )
