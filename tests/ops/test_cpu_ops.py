"""Both of the CPU's implementations against the plain references of the kernels."""

from __future__ import annotations

import pytest
import torch
from ops_cases import BATCHES, TOLERANCE, AttentionCase, make_ops, make_step, tables
from torch.nn import functional

from rostra.kernels import reference

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


@pytest.fixture(params=["native", "torch"])
def implementation(request):
    return request.param


@DTYPES
@pytest.mark.parametrize("heads", [(4, 4), (9, 3), (8, 1)], ids=str)
@pytest.mark.parametrize("name", BATCHES)
def test_attention(name, heads, dtype, implementation):
    num_heads, num_kv_heads = heads
    case = AttentionCase.random(
        BATCHES[name],
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=32,
        dtype=dtype,
        seed=len(name),
    )
    ops = make_ops(implementation, dtype)
    for _ in range(2):  # the second time in buffers that hold the first
        case.check(ops)


@pytest.mark.parametrize("name", BATCHES)
def test_a_nan_where_no_token_is_spreads_nowhere(name, implementation):
    """Blocks are not cleared when a request ends, and one before may have left anything there."""
    case = AttentionCase.random(BATCHES[name], num_heads=4, num_kv_heads=2, head_dim=16)
    expected = case.expected()
    case.spoil()
    assert case.keys.isnan().any()
    found = case.found(make_ops(implementation, torch.float32))
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float32])


@DTYPES
@pytest.mark.parametrize("name", BATCHES)
def test_rotation_and_cache(name, dtype, implementation):
    generator = torch.Generator().manual_seed(len(name))
    layout, num_blocks = make_step(generator, BATCHES[name], 16)
    num_tokens, head_dim = len(layout.positions), 20
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
            ops = make_ops(implementation, dtype)
            ops.rope_and_cache(query, key, value, *caches, ops.prepare(layout, [(cos, sin)]))
        outcomes.append((query, key, value, *caches))
    torch.testing.assert_close(outcomes[1], outcomes[0], **TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("shape", [(1, 576), (7, 75), (300, 256)], ids=str)
@pytest.mark.parametrize("with_residual", [False, True])
def test_rms_norm(dtype, with_residual, shape, implementation):
    generator = torch.Generator().manual_seed(0)
    x, residual = torch.randn(2, *shape, generator=generator).to(dtype).mul(3)
    weight = torch.rand(shape[1], generator=generator).to(dtype)
    sums = [residual.clone(), residual.clone()] if with_residual else [None, None]
    expected = reference.rms_norm(x.clone(), weight, 1e-5, sums[0])
    found = make_ops(implementation, dtype).rms_norm(x.clone(), weight, 1e-5, sums[1])
    torch.testing.assert_close(found, expected, **TOLERANCE[dtype])
    if with_residual:
        assert torch.equal(sums[0], sums[1])


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1536), (5, 33), (200, 512)], ids=str)
def test_silu_and_mul(dtype, shape, implementation):
    generator = torch.Generator().manual_seed(0)
    gate_up = torch.randn(shape[0], 2 * shape[1], generator=generator).mul(8).to(dtype)
    torch.testing.assert_close(
        make_ops(implementation, dtype).silu_and_mul(gate_up.clone()),
        reference.silu_and_mul(gate_up),
        **TOLERANCE[dtype],
    )


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("num_tokens", [1, 33])
def test_linear(biased, num_tokens, implementation):
    generator = torch.Generator().manual_seed(num_tokens)
    x = torch.randn(num_tokens, 72, generator=generator)
    weight = torch.randn(50, 72, generator=generator).div(9)
    bias = torch.randn(50, generator=generator) if biased else None
    found = make_ops(implementation, torch.float32).linear(weight, bias)(x)
    expected = functional.linear(x, weight, bias)
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float32])
