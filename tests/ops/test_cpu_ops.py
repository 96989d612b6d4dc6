"""Both of the CPU's implementations against the plain references of the kernels."""

from __future__ import annotations

import pytest
import torch
from ops_cases import BATCHES, TOLERANCE, AttentionCase, make_ops, make_step, tables
from torch.nn import functional

from rostra.kernels import reference
from rostra.mesh.ops import QKNorm

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


@DTYPES
@pytest.mark.parametrize("soft_cap", [None, 2.0])
@pytest.mark.parametrize("sliding_window", [None, 1, 17, 64, 1000])
def test_windows_and_soft_caps(sliding_window, soft_cap, dtype, implementation):
    """In every kind of batch, one after the other in the same buffers; nothing stale is read."""
    ops = make_ops(implementation, dtype)
    for name, batch in BATCHES.items():
        case = AttentionCase.random(
            batch,
            num_heads=6,
            num_kv_heads=2,
            head_dim=32,
            dtype=dtype,
            seed=len(name),
            sliding_window=sliding_window,
            soft_cap=soft_cap,
        )
        case.spoil()
        case.check(ops)


def test_layers_of_one_step_may_see_different_windows(implementation):
    ops = make_ops(implementation, torch.float32)
    case = AttentionCase.random(BATCHES["mixed"], num_heads=4, num_kv_heads=2, head_dim=16)
    step = ops.prepare(case.layout, [tables(16)])
    for window in (None, 20, None, 5, 20):
        case.sliding_window = window
        found = ops.paged_attention(
            case.query, case.keys, case.values, case.scale, step, sliding_window=window
        )
        torch.testing.assert_close(found, case.expected(), **TOLERANCE[torch.float32])


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
@pytest.mark.parametrize("weight_dtype", [None, "float32", "same"])
@pytest.mark.parametrize("table", [None, 0, 1, 2])
@pytest.mark.parametrize("name", ["one decoding", "mixed", "later chunks"])
def test_rotation_and_cache(name, table, weight_dtype, dtype, implementation):
    """By the whole head, part of it and two dimensions of it, with and without norms of heads."""
    generator = torch.Generator().manual_seed(len(name))
    layout, num_blocks = make_step(generator, BATCHES[name], 16)
    num_tokens, head_dim = len(layout.positions), 44
    # One tensor in three parts, as a fused projection leaves them.
    fused = torch.randn(num_tokens, 6 + 2 + 2, head_dim, generator=generator).to(dtype)
    weights = torch.randn(2, head_dim, generator=generator)
    weights = weights.to(torch.float32 if weight_dtype == "float32" else dtype)
    norm = None if weight_dtype is None else QKNorm(*weights, 1e-3)
    choices = [tables(44), tables(34), tables(2)]
    cos, sin = (None, None) if table is None else choices[table]
    outcomes = []
    for kind in ("expected", "found"):
        query, key, value = fused.clone().split((6, 2, 2), dim=1)
        caches = [torch.zeros(num_blocks, 16, 2, head_dim, dtype=dtype) for _ in range(2)]
        if kind == "expected":
            positions, slots = map(torch.from_numpy, (layout.positions, layout.slot_mapping))
            given = {} if norm is None else {"query_weight": norm.query, "key_weight": norm.key}
            reference.rope_and_cache(
                *(query, key, value, cos, sin, positions, *caches, slots), **given, eps=1e-3
            )
        else:
            ops = make_ops(implementation, dtype)
            step = ops.prepare(layout, choices)
            ops.rope_and_cache(query, key, value, *caches, step, table=table, norm=norm)
        outcomes.append((query, key, value, *caches))
    torch.testing.assert_close(outcomes[1], outcomes[0], **TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("shape", [(1, 576), (7, 75), (300, 256)], ids=str)
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("wide_weight", [False, True])
def test_rms_norm(dtype, wide_weight, with_residual, shape, implementation):
    generator = torch.Generator().manual_seed(0)
    x, residual = torch.randn(2, *shape, generator=generator).to(dtype).mul(3)
    weight = torch.rand(shape[1], generator=generator)
    weight = weight if wide_weight else weight.to(dtype)
    sums = [residual.clone(), residual.clone()] if with_residual else [None, None]
    expected = reference.rms_norm(x.clone(), weight, 1e-5, sums[0])
    found = make_ops(implementation, dtype).rms_norm(x.clone(), weight, 1e-5, sums[1])
    torch.testing.assert_close(found, expected, **TOLERANCE[dtype])
    if with_residual:
        assert torch.equal(sums[0], sums[1])


def test_a_norm_of_rows_that_stand_apart(implementation):
    wide = torch.randn(5, 90, generator=torch.Generator().manual_seed(0))
    weight = torch.rand(37)
    found = make_ops(implementation, torch.float32).rms_norm(wide[:, 3:40], weight, 1e-5)
    expected = reference.rms_norm(wide[:, 3:40], weight, 1e-5)
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float32])


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1536), (5, 33), (200, 512)], ids=str)
@pytest.mark.parametrize("activation", ["silu_and_mul", "gelu_and_mul"])
def test_activations(activation, dtype, shape, implementation):
    generator = torch.Generator().manual_seed(0)
    gate_up = torch.randn(shape[0], 2 * shape[1], generator=generator).mul(8).to(dtype)
    torch.testing.assert_close(
        getattr(make_ops(implementation, dtype), activation)(gate_up.clone()),
        getattr(reference, activation)(gate_up),
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
