"""The kernels that work on each token by itself compute what their references compute."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, FP8, HEADS, assert_close

from rostra.kernels import reference

ROPE = "rostra.kernels.rope_cache.rope_and_cache"
NORM = "rostra.kernels.rms_norm.rms_norm"
ACTIVATIONS = {
    "rostra.kernels.activation.silu_and_mul": reference.silu_and_mul,
    "rostra.kernels.activation.gelu_and_mul": reference.gelu_and_mul,
}
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
    one_byte=st.booleans(),
    rotated=st.sampled_from(["nothing", "a part", "everything"]),
    weight_dtype=st.sampled_from(["none", "float32", "same"]),
    scales=st.tuples(st.sampled_from([1.0, 0.01, 2.5]), st.sampled_from([1.0, 0.25])),
    seed=seeds,
)
def test_rope_and_cache(
    run,
    num_tokens,
    heads,
    head_size,
    page,
    dtype,
    one_byte,
    rotated,
    weight_dtype,
    scales,
    seed,
):
    num_heads, num_kv_heads = heads
    generator = torch.Generator().manual_seed(seed)
    fused = normal(seed, num_tokens, num_heads + 2 * num_kv_heads, head_size, dtype=dtype)
    query, key, value = fused.split([num_heads, num_kv_heads, num_kv_heads], dim=1)
    half = head_size // 2
    if rotated == "a part":
        half = int(torch.randint(1, max(2, half), (), generator=generator))
    angles = torch.rand(50, half, generator=generator) * 100
    tables = (None, None) if rotated == "nothing" else (angles.cos(), angles.sin())
    positions = torch.randint(0, 50, (num_tokens,), generator=generator)
    cache_dtype = FP8 if one_byte else dtype
    key_cache, value_cache = (
        normal(seed + i, 4, page, num_kv_heads, head_size, dtype=cache_dtype) for i in (1, 2)
    )
    slots = torch.randperm(4 * page, generator=generator)[:num_tokens]
    slots[torch.rand(num_tokens, generator=generator) < 0.2] = -1
    args = (query, key, value, *tables, positions, key_cache, value_cache, slots)
    options = {"key_scale": scales[0], "value_scale": scales[1]}
    if weight_dtype != "none":
        kind = torch.float32 if weight_dtype == "float32" else dtype
        options["query_weight"], options["key_weight"] = normal(seed, 2, head_size, dtype=kind)
        options["eps"] = 1e-5
    _, actual = run(ROPE, *args, **options)
    expected = [None if arg is None else arg.clone() for arg in args]
    reference.rope_and_cache(*expected, **options)
    for changed in (0, 1):
        assert_close(actual[changed], expected[changed])
    for cached in (6, 7):
        if one_byte:
            assert_neighbours(actual[cached], expected[cached])
        else:
            assert_close(actual[cached], expected[cached])
    for kept in (2, 5, 8) if rotated == "nothing" else (2, 3, 4, 5, 8):
        assert torch.equal(actual[kept], expected[kept])


def assert_neighbours(actual, expected):
    """Equal but for one step of e4m3, which the last bit of what is rounded may decide."""
    assert actual.dtype == expected.dtype == FP8

    def ordered(x):
        code = x.view(torch.uint8).int()
        return torch.where(code < 128, code, 128 - code)

    assert (ordered(actual) - ordered(expected)).abs().max() <= 1


def test_a_cache_of_one_byte_saturates_and_keeps_nan(run):
    value = torch.tensor([1e6, -1e6, 448.0, 460.0, float("inf"), float("nan"), 0.0, -3.5])
    value = value.view(1, 1, 8)
    key = torch.zeros(1, 1, 8)
    angles = torch.zeros(1, 4)
    cache = torch.zeros(1, 8, 1, 8).to(FP8)
    place = torch.zeros(1, dtype=torch.int64)
    args = (key.clone(), key, value, angles, angles, place, cache, cache.clone(), place)
    _, actual = run(ROPE, *args)
    stored = actual[7][0, 0, 0].float()
    expected = torch.tensor([448.0, -448.0, 448.0, 448.0, 448.0, float("nan"), 0.0, -3.5])
    torch.testing.assert_close(stored, expected, rtol=0, atol=0, equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(
    num_rows=st.integers(0, 6),
    hidden=st.sampled_from([1, 7, 64, 576, 1000]),
    dtype=dtypes,
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
    add=st.booleans(),
    wide_weight=st.booleans(),
    seed=seeds,
)
def test_rms_norm(run, num_rows, hidden, dtype, scale, add, wide_weight, seed):
    x = (normal(seed, num_rows, hidden) * scale).to(dtype)
    weight = normal(seed + 1, hidden, dtype=torch.float32 if wide_weight else dtype)
    residual = (normal(seed + 2, num_rows, hidden) * scale).to(dtype) if add else None
    result, actual = run(NORM, x, weight, 1e-5, residual)
    kept = x.clone()
    expected = reference.rms_norm(x, weight, 1e-5, residual)
    assert_close(result, expected, roundings=3)
    assert torch.equal(actual[0], kept)
    if residual is not None:
        assert_close(actual[3], residual)


@settings(max_examples=30, deadline=None)
@given(
    activation=st.sampled_from(list(ACTIVATIONS)),
    num_rows=st.integers(0, 5),
    intermediate=st.sampled_from([1, 6, 96, 1536, 2500]),
    dtype=dtypes,
    seed=seeds,
)
def test_activations(run, activation, num_rows, intermediate, dtype, seed):
    gate_up = normal(seed, num_rows, 2 * intermediate, dtype=dtype) * 4
    result, _ = run(activation, gate_up)
    assert_close(result, ACTIVATIONS[activation](gate_up), roundings=3)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_may_stand_apart(run, dtype):
    """A slice of wider rows, as of a fused projection."""
    wide = normal(0, 4, 200, dtype=dtype)
    for activation, reference_activation in ACTIVATIONS.items():
        result, _ = run(activation, wide[:, :128])
        assert_close(result, reference_activation(wide[:, :128]), roundings=3)
    result, _ = run(NORM, wide[:, 8:72], wide[0, :64], 1e-5)
    assert_close(result, reference.rms_norm(wide[:, 8:72], wide[0, :64], 1e-5), roundings=3)
