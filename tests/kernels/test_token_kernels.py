"""The kernels that work on each token by itself compute what their references compute."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, HEADS, assert_close

from rostra.kernels import reference

ROPE = "rostra.kernels.rope_cache.rope_and_cache"
NORM = "rostra.kernels.rms_norm.rms_norm"
SILU = "rostra.kernels.silu_and_mul.silu_and_mul"
dtypes = st.sampled_from(DTYPES)
seeds = st.integers(0, 2**31)


def normal(seed, *shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@settings(max_examples=30, deadline=None)
@given(
    num_tokens=st.integers(0, 9),
    heads=st.sampled_from(HEADS),
    head_size=st.sampled_from([2, 16, 64, 80, 96, 128]),
    page=st.sampled_from([8, 16, 32]),
    dtype=dtypes,
    seed=seeds,
)
def test_rope_and_cache(run, num_tokens, heads, head_size, page, dtype, seed):
    num_heads, num_kv_heads = heads
    generator = torch.Generator().manual_seed(seed)
    fused = normal(seed, num_tokens, num_heads + 2 * num_kv_heads, head_size, dtype=dtype)
    query, key, value = fused.split([num_heads, num_kv_heads, num_kv_heads], dim=1)
    angles = torch.rand(50, head_size // 2, generator=generator) * 100
    positions = torch.randint(0, 50, (num_tokens,), generator=generator)
    cache = normal(seed + 1, 4, page, num_kv_heads, head_size, dtype=dtype)
    slots = torch.randperm(4 * page, generator=generator)[:num_tokens]
    slots[torch.rand(num_tokens, generator=generator) < 0.2] = -1
    args = (query, key, value, angles.cos(), angles.sin(), positions, cache, cache + 1, slots)
    _, actual = run(ROPE, *args)
    expected = [arg.clone() for arg in args]
    reference.rope_and_cache(*expected)
    for changed in (0, 1, 6):
        assert_close(actual[changed], expected[changed])
    for copied in (2, 3, 4, 5, 7, 8):
        assert torch.equal(actual[copied], expected[copied])


@settings(max_examples=30, deadline=None)
@given(
    num_rows=st.integers(0, 6),
    hidden=st.sampled_from([1, 7, 64, 576, 1000]),
    dtype=dtypes,
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
    add=st.booleans(),
    seed=seeds,
)
def test_rms_norm(run, num_rows, hidden, dtype, scale, add, seed):
    x = (normal(seed, num_rows, hidden) * scale).to(dtype)
    weight = normal(seed + 1, hidden, dtype=dtype)
    residual = (normal(seed + 2, num_rows, hidden) * scale).to(dtype) if add else None
    result, actual = run(NORM, x, weight, 1e-5, residual)
    kept = x.clone()
    expected = reference.rms_norm(x, weight, 1e-5, residual)
    assert_close(result, expected, roundings=3)
    assert torch.equal(actual[0], kept)
    if residual is not None:
        assert_close(actual[3], residual)


@settings(max_examples=20, deadline=None)
@given(
    num_rows=st.integers(0, 5),
    intermediate=st.sampled_from([1, 6, 96, 1536, 2500]),
    dtype=dtypes,
    seed=seeds,
)
def test_silu_and_mul(run, num_rows, intermediate, dtype, seed):
    gate_up = normal(seed, num_rows, 2 * intermediate, dtype=dtype) * 4
    result, _ = run(SILU, gate_up)
    assert_close(result, reference.silu_and_mul(gate_up), roundings=3)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_may_stand_apart(run, dtype):
    """A slice of wider rows, as of a fused projection."""
    wide = normal(0, 4, 200, dtype=dtype)
    result, _ = run(SILU, wide[:, :128])
    assert_close(result, reference.silu_and_mul(wide[:, :128]), roundings=3)
    result, _ = run(NORM, wide[:, 8:72], wide[0, :64], 1e-5)
    assert_close(result, reference.rms_norm(wide[:, 8:72], wide[0, :64], 1e-5), roundings=3)
