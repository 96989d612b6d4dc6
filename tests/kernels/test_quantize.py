"""Weights in eight bits are near what they were."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rostra.kernels.launch import KernelError
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import E4M3, WEIGHT_TYPES


@given(
    shape=st.tuples(st.integers(1, 8), st.integers(1, 50)),
    dtype=st.sampled_from(WEIGHT_TYPES),
    source=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    spread=st.floats(-4, 3),
    seed=st.integers(0, 2**31),
)
def test_error_of_each_weight(shape, dtype, source, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    channels = 10 ** (torch.rand(shape[0], 1, generator=generator) * 2 + spread - 2)
    weight = (torch.randn(shape, generator=generator) * channels).to(source)
    quantized, scale = quantize_weight(weight, dtype)
    assert quantized.dtype == dtype
    assert quantized.shape == shape
    found = quantized.float() * scale[:, None]
    error = (found - weight.float()).abs()
    # Half a step: of 1 for integers, of an eighth of the number for e4m3 (2^-9 for the smallest).
    step = scale[:, None].expand(shape)
    if dtype == E4M3:
        step = torch.maximum(weight.float().abs() / 8, step / 2**9)
    assert (error <= 0.5001 * step).all()
    # The largest of a channel uses all of the range.
    largest = quantized.float().abs().amax(dim=1)
    assert ((largest == (448 if dtype == E4M3 else 127)) | (weight == 0).all(dim=1)).all()


@pytest.mark.parametrize("dtype", WEIGHT_TYPES, ids=str)
def test_more_channels_than_are_worked_on_at_once(dtype):
    weight = torch.randn(9000, 3, generator=torch.Generator().manual_seed(0))
    quantized, scale = quantize_weight(weight, dtype)
    for row in (0, 4095, 4096, 8999):
        alone = quantize_weight(weight[row : row + 1], dtype)
        assert torch.equal(quantized[row].float(), alone[0][0].float())
        assert torch.equal(scale[row], alone[1][0])


@pytest.mark.parametrize("dtype", WEIGHT_TYPES, ids=str)
def test_zeros_stay_zeros(dtype):
    quantized, scale = quantize_weight(torch.zeros(2, 4), dtype)
    assert not quantized.float().any()
    assert torch.equal(scale, torch.ones(2))


def test_other_types_are_refused():
    with pytest.raises(KernelError, match=r"dtype torch.int32 is not int8 or float8_e4m3fn"):
        quantize_weight(torch.zeros(2, 4), torch.int32)
