"""The CPU's operations against the plain references of the kernels, on random input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from rostra.kernels import reference
from rostra.mesh.ops import StepLayout
from rostra.mesh.ops.torch_cpu import TorchCpuOps

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},
}
DTYPES = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)

BATCHES = {
    "one decoding": [(1, 37)],
    "decoding at one length": [(1, 32)] * 5,
    "decoding at many lengths": [(1, 1), (1, 16), (1, 17), (1, 90), (1, 100), (1, 300)],
    "one prompt": [(40, 40)],
    "prompts longer than a chunk of queries": [(300, 300), (520, 530)],
    "later chunks": [(5, 64), (16, 400), (257, 600)],
    "mixed": [(1, 50), (20, 20), (1, 3), (2, 90), (1, 51), (1, 49)],
}


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


def tables(head_dim, positions=1024):
    angles = torch.outer(
        torch.arange(positions).float(), 100.0 ** -torch.linspace(0, 1, head_dim // 2)
    )
    return angles.cos(), angles.sin()


@DTYPES
@pytest.mark.parametrize("heads", [(4, 4), (9, 3), (8, 1)], ids=str)
@pytest.mark.parametrize("name", BATCHES)
def test_attention(name, heads, dtype):
    batch, (num_heads, num_kv_heads), head_dim, block_size = BATCHES[name], heads, 32, 16
    generator = torch.Generator().manual_seed(len(name))
    layout, num_blocks = make_step(generator, batch, block_size)

    def random(*shape):
        return torch.randn(shape, generator=generator).to(dtype)

    query = random(len(layout.positions), num_heads, head_dim)
    keys = random(num_blocks, block_size, num_kv_heads, head_dim)
    values = random(num_blocks, block_size, num_kv_heads, head_dim)
    expected = reference.paged_attention(
        query,
        keys,
        values,
        torch.from_numpy(layout.block_table),
        torch.from_numpy(layout.query_start),
        torch.from_numpy(layout.seq_lens),
        scale=0.2,
        max_query_len=int(layout.query_lens.max()),
        max_seq_len=int(layout.seq_lens.max()),
    )
    ops = TorchCpuOps(dtype)
    step = ops.prepare(layout, *tables(head_dim))
    for _ in range(2):  # the second time in buffers that hold the first
        found = ops.paged_attention(query, keys, values, 0.2, step)
        torch.testing.assert_close(found, expected, **TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("name", BATCHES)
def test_rotation_and_cache(name, dtype):
    generator = torch.Generator().manual_seed(len(name))
    layout, num_blocks = make_step(generator, BATCHES[name], 16)
    num_tokens, head_dim = len(layout.positions), 16
    # One tensor in three parts, as a fused projection leaves them.
    fused = torch.randn(num_tokens, 6 + 2 + 2, head_dim, generator=generator).to(dtype)
    cos, sin = tables(head_dim)
    outcomes = []
    for kind in ("expected", "found"):
        query, key, value = fused.clone().split((6, 2, 2), dim=1)
        caches = [torch.zeros(num_blocks, 16, 2, head_dim, dtype=dtype) for _ in range(2)]
        if kind == "expected":
            positions, slots = map(torch.from_numpy, (layout.positions, layout.slot_mapping))
            reference.rope_and_cache(query, key, value, cos, sin, positions, *caches, slots)
        else:
            ops = TorchCpuOps(dtype)
            ops.rope_and_cache(query, key, value, *caches, ops.prepare(layout, cos, sin))
        outcomes.append((query, key, value, *caches))
    torch.testing.assert_close(outcomes[1], outcomes[0], **TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("with_residual", [False, True])
def test_rms_norm(dtype, with_residual):
    generator = torch.Generator().manual_seed(0)
    x, residual = torch.randn(2, 7, 72, generator=generator).to(dtype).mul(3)
    weight = torch.rand(72, generator=generator).to(dtype)
    sums = [residual.clone(), residual.clone()] if with_residual else [None, None]
    expected = reference.rms_norm(x.clone(), weight, 1e-5, sums[0])
    found = TorchCpuOps(dtype).rms_norm(x.clone(), weight, 1e-5, sums[1])
    torch.testing.assert_close(found, expected, **TOLERANCE[dtype])
    if with_residual:
        assert torch.equal(sums[0], sums[1])


@DTYPES
def test_silu_and_mul(dtype):
    gate_up = torch.randn(5, 2 * 33, generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.testing.assert_close(
        TorchCpuOps(dtype).silu_and_mul(gate_up.clone()),
        reference.silu_and_mul(gate_up),
        **TOLERANCE[dtype],
    )


@DTYPES
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("num_tokens", [1, 2, 16, 33, 300])
def test_linear(dtype, biased, num_tokens):
    generator = torch.Generator().manual_seed(num_tokens)
    x = torch.randn(num_tokens, 72, generator=generator).to(dtype)
    weight = torch.randn(50, 72, generator=generator).div(9).to(dtype)
    bias = torch.randn(50, generator=generator).to(dtype) if biased else None
    found = TorchCpuOps(dtype).linear(weight, bias)(x)
    torch.testing.assert_close(found, functional.linear(x, weight, bias), **TOLERANCE[dtype])
