"""Products with quantised weights are what dequantised weights give."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_close

from rostra.kernels import reference
from rostra.kernels.chip import AHEAD_OF_TIME
from rostra.kernels.launch import KernelError
from rostra.kernels.matmul_tile import (
    MAX_SPLITS,
    MIN_SPLIT_DEPTH,
    choose_matmul_tile,
    choose_splits,
)
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import (
    E4M3,
    EXPAND_ROWS,
    WEIGHT_TYPES,
    can_multiply,
    quantized_matmul,
)

MULTIPLY = "matmul_backends.multiply"
DEQUANTIZE = "matmul_backends.dequantize"
MULTIPLY_IN_SPLITS = "matmul_backends.multiply_in_splits"
weight_types = st.sampled_from(WEIGHT_TYPES)
dtypes = st.sampled_from(DTYPES)


def make(num_rows, num_columns, depth, dtype, weight_type, biased=True, seed=0):
    """Arguments of `quantized_matmul` whose result is of the order of 1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num_rows, depth, generator=generator).to(dtype)
    weight = torch.randn(num_columns, depth, generator=generator) * depth**-0.5
    bias = torch.randn(num_columns, generator=generator).to(dtype) if biased else None
    return x, *quantize_weight(weight, weight_type), bias


def packed(args):
    x, weight, scale, bias = args
    return x, weight.view(torch.uint8), weight.dtype, scale, bias


@settings(max_examples=25, deadline=None)
@given(
    num_rows=st.integers(0, 20) | st.sampled_from([33, 65]),
    num_columns=st.sampled_from([1, 31, 64, 100]),
    depth=st.sampled_from([1, 16, 72, 128, 300]),
    dtype=dtypes,
    weight_type=weight_types,
    biased=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_few_rows(run, num_rows, num_columns, depth, dtype, weight_type, biased, seed):
    args = make(num_rows, num_columns, depth, dtype, weight_type, biased, seed)
    result, _ = run(MULTIPLY, *packed(args))
    assert_close(result, reference.quantized_matmul(*args))


@pytest.mark.parametrize("weight_type", WEIGHT_TYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_many_rows(run, dtype, weight_type):
    args = make(EXPAND_ROWS + 1, 40, 64, dtype, weight_type)
    result, _ = run(MULTIPLY, *packed(args))
    # Weights are rounded once more.
    assert_close(result, reference.quantized_matmul(*args), roundings=4)


@settings(max_examples=6, deadline=None)
@given(
    num_rows=st.sampled_from([1, 17]),
    num_splits=st.integers(2, 4),
    depth=st.sampled_from([600, 1024]),
    dtype=dtypes,
    weight_type=weight_types,
    biased=st.booleans(),
)
def test_splits(run, num_rows, num_splits, depth, dtype, weight_type, biased):
    args = make(num_rows, 50, depth, dtype, weight_type, biased)
    result, _ = run(MULTIPLY_IN_SPLITS, *packed(args), num_splits=num_splits)
    assert_close(result, reference.quantized_matmul(*args))


@pytest.mark.parametrize("weight_type", WEIGHT_TYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_number_is_widened_exactly(run, dtype, weight_type):
    every = torch.arange(256, dtype=torch.uint8).view(weight_type)[None]
    every = every[:, every[0].float().isfinite()]
    one = torch.ones(1)
    result, _ = run(DEQUANTIZE, every.view(torch.uint8), weight_type, one, dtype)
    assert torch.equal(result, every.to(dtype))
    # And in the product, where it is widened in a tile.
    for start in range(0, every.shape[1], 16):
        rows = torch.eye(every.shape[1]).to(dtype)[start : start + 16]
        result, _ = run(MULTIPLY, *packed((rows, every, one, None)))
        assert torch.equal(result[:, 0], every[0, start : start + 16].to(dtype))


def test_rows_may_stand_apart(run):
    x, weight, scale, bias = make(3, 40, 64, torch.float16, torch.int8)
    wide = torch.cat((x, x), dim=1)[:, :64]
    padded = torch.cat((weight, weight), dim=1)[:, :64]
    result, _ = run(MULTIPLY, *packed((wide, padded, scale, bias)))
    assert_close(result, reference.quantized_matmul(x, weight, scale, bias))


@given(
    num_rows=st.integers(1, EXPAND_ROWS),
    num_columns=st.integers(1, 150_000),
    depth=st.integers(1, 30_000),
    itemsize=st.sampled_from([2, 4]),
    chip=st.sampled_from(list(AHEAD_OF_TIME.values())),
)
def test_splits_cover_the_depth_once(num_rows, num_columns, depth, itemsize, chip):
    tile = choose_matmul_tile(num_rows, num_columns, depth, itemsize, chip)
    splits, split_depth = choose_splits(tile, num_rows, num_columns, depth, chip)
    assert (splits - 1) * split_depth < depth <= splits * split_depth
    assert 1 <= splits <= MAX_SPLITS
    assert split_depth % tile.block_k == 0
    assert splits == 1 or split_depth >= MIN_SPLIT_DEPTH


def test_a_narrow_product_is_split_and_a_wide_one_is_not():
    chip = AHEAD_OF_TIME["sm_90"]
    tile = choose_matmul_tile(1, 1024, 8192, 2, chip)
    assert choose_splits(tile, 1, 1024, 8192, chip)[0] > 2
    tile = choose_matmul_tile(1, 28_672, 8192, 2, chip)
    assert choose_splits(tile, 1, 28_672, 8192, chip)[0] == 1


@pytest.mark.parametrize("chip", AHEAD_OF_TIME)
def test_what_a_chip_can_multiply(chip):
    assert can_multiply(torch.int8, AHEAD_OF_TIME[chip])
    assert can_multiply(E4M3, AHEAD_OF_TIME[chip]) == (chip != "sm_80")
    assert not can_multiply(torch.int32, AHEAD_OF_TIME[chip])


@pytest.mark.parametrize(
    ("index", "change", "message"),
    [
        (0, lambda t: t.double(), "x is torch.float64"),
        (0, lambda t: t[:, :8], r"x \(2, 8\) on cpu does not fit weight \(5, 32\)"),
        (1, lambda t: t.int(), "weight is torch.int32, not torch.int8 or torch.float8_e4m3fn"),
        (1, lambda t: t.T, r"weight \(32, 5\) is not \[N, K\] with contiguous rows"),
        (2, lambda t: t.half(), "scale is torch.float16"),
        (2, lambda t: t[:3], r"scale is torch.float32 \(3,\) on cpu, not float32 \(5,\)"),
        (3, lambda t: t[:3], r"bias is not \(5,\)"),
        (3, lambda t: t.half(), "bias is torch.float16 on cpu, x is torch.float32"),
    ],
)
def test_refusals(index, change, message):
    args = list(make(2, 5, 32, torch.float32, torch.int8))
    args[index] = change(args[index])
    with pytest.raises(KernelError, match="quantized_matmul: " + message):
        quantized_matmul(*args)
