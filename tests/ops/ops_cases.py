"""Steps over a paged cache, drawn at random, and what must come out of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rostra.kernels import reference
from rostra.mesh.ops import StepLayout
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native_cpu import NativeCpuOps
from rostra.mesh.ops.torch_cpu import TorchCpuOps

LIBRARY_MODULE = importlib.import_module("rostra.mesh.ops.native.library")
"""By way of importlib, since the package has a function of the same name."""

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},
    torch.float16: {"rtol": 2e-3, "atol": 2e-3},
}

BATCHES = {
    "one decoding": [(1, 37)],
    "decoding at one length": [(1, 32)] * 5,
    "decoding at many lengths": [(1, 1), (1, 16), (1, 17), (1, 90), (1, 100), (1, 300)],
    "one prompt": [(40, 40)],
    "prompts longer than a chunk of queries": [(300, 300), (520, 530)],
    "later chunks": [(5, 64), (16, 400), (257, 600)],
    "mixed": [(1, 50), (20, 20), (1, 3), (2, 90), (1, 51), (1, 49)],
}
"""(new tokens, tokens in all) of each sequence."""


def make_ops(implementation: str, dtype: torch.dtype):
    if implementation == "torch":
        return TorchCpuOps(dtype)
    kernels = library()
    assert kernels is not None
    return NativeCpuOps(kernels, dtype)


def make_step(generator, batch, block_size):
    """A layout whose blocks lie anywhere in a cache of `num_blocks`."""
    num_blocks = sum(-(-length // block_size) for _, length in batch) + 3
    order = torch.randperm(num_blocks, generator=generator).tolist()
    table = np.zeros((len(batch), max(-(-length // block_size) for _, length in batch)), np.int32)
    positions, slots = [], []
    for row, (query_len, length) in enumerate(batch):
        for column in range(-(-length // block_size)):
            table[row, column] = order.pop()
        for position in range(length - query_len, length):
            positions.append(position)
            slots.append(table[row, position // block_size] * block_size + position % block_size)
    layout = StepLayout(
        positions=np.array(positions),
        slot_mapping=np.array(slots, dtype=np.int64),
        query_start=np.cumsum([0] + [query_len for query_len, _ in batch], dtype=np.int32),
        seq_lens=np.array([length for _, length in batch], dtype=np.int32),
        block_table=table,
        block_size=block_size,
    )
    return layout, num_blocks


def tables(rotated, positions=1024):
    angles = torch.outer(
        torch.arange(positions).float(), 100.0 ** -torch.linspace(0, 1, rotated // 2)
    )
    return angles.cos(), angles.sin()


@dataclass
class AttentionCase:
    layout: StepLayout
    query: Tensor
    keys: Tensor
    values: Tensor
    scale: float
    sliding_window: int | None = None
    soft_cap: float | None = None

    @classmethod
    def random(
        cls,
        batch,
        *,
        num_heads,
        num_kv_heads,
        head_dim,
        block_size=16,
        dtype=torch.float32,
        seed=0,
        **options,
    ):
        """The query lies in one tensor with keys and values, as a fused projection leaves it."""
        generator = torch.Generator().manual_seed(seed)
        layout, num_blocks = make_step(generator, batch, block_size)

        def random(*shape):
            return torch.randn(shape, generator=generator).to(dtype)

        fused = random(len(layout.positions), num_heads + 2 * num_kv_heads, head_dim)
        cache = (num_blocks, block_size, num_kv_heads, head_dim)
        scale = 1.3 * head_dim**-0.5
        return cls(layout, fused[:, :num_heads], random(*cache), random(*cache), scale, **options)

    def expected(self) -> Tensor:
        """In float32, of the values as they are stored."""
        layout = self.layout
        return reference.paged_attention(
            self.query.float(),
            self.keys.float(),
            self.values.float(),
            torch.from_numpy(layout.block_table),
            torch.from_numpy(layout.query_start),
            torch.from_numpy(layout.seq_lens),
            scale=self.scale,
            max_query_len=int(layout.query_lens.max()),
            max_seq_len=int(layout.seq_lens.max()),
            sliding_window=self.sliding_window,
            soft_cap=self.soft_cap,
        )

    def found(self, ops) -> Tensor:
        head_dim = self.query.shape[2]
        step = ops.prepare(self.layout, [tables(head_dim, int(self.layout.seq_lens.max()))])
        return ops.paged_attention(
            self.query,
            self.keys,
            self.values,
            self.scale,
            step,
            sliding_window=self.sliding_window,
            soft_cap=self.soft_cap,
        )

    def check(self, ops) -> None:
        tolerance = TOLERANCE[self.query.dtype]
        torch.testing.assert_close(self.found(ops).float(), self.expected(), **tolerance)

    def spoil(self) -> None:
        """Fills every slot that belongs to no sequence with NaN."""
        layout = self.layout
        stale = torch.ones(self.keys.shape[:2], dtype=torch.bool)
        for length, row in zip(layout.seq_lens, layout.block_table, strict=True):
            for position in range(length):
                stale[row[position // layout.block_size], position % layout.block_size] = False
        self.keys[stale] = self.values[stale] = torch.nan
