"""Codes, scales and minima of quantised weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quants

from rostra.mesh.ops.linears.quantise import GROUP, quantise

GGUF_TYPES = {4: GGMLQuantizationType.Q4_1, 8: GGMLQuantizationType.Q8_0}


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("bits", "largest"), [(8, 0.006), (4, 0.085)])
@pytest.mark.parametrize("magnitude", [1e-8, 0.02, 1.0, 1e4])
def test_error(bits, largest, magnitude):
    weight = random(64, 300).mul(magnitude)
    found = quantise(weight, bits).dequantise()
    assert ((found - weight).norm() / weight.norm()).item() < largest


@pytest.mark.parametrize("bits", [8, 4])
def test_every_value_is_within_half_a_step(bits):
    weight = random(30, 320)
    quantised = quantise(weight, bits)
    step = quantised.scales.float().mul(quantised.factor).repeat_interleave(GROUP, 1)
    # The scale and the minimum are rounded to float16 themselves.
    assert (
        (quantised.dequantise() - weight).abs() <= 0.51 * step + 2e-3 * weight.abs().max()
    ).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_a_checkpoint_that_was_quantised_gets_the_same_codes(bits):
    """Q4_1 and Q8_0 of the gguf package, dequantised and stored in float16 as a conversion does."""
    blocks = quants.quantize(random(96, 256).mul(0.05).numpy(), GGUF_TYPES[bits])
    weight = torch.from_numpy(quants.dequantize(blocks, GGUF_TYPES[bits])).half().float()
    found = quantise(weight, bits)
    raw = torch.from_numpy(blocks).view(96, -1, 20 if bits == 4 else 34)
    if bits == 4:
        packed = raw[..., 4:]
        codes = torch.cat((packed & 15, packed >> 4), -1)
    else:
        codes = raw[..., 2:].view(torch.int8)
    assert torch.equal(found.codes.view_as(codes), codes)
    scales = torch.from_numpy(np.ascontiguousarray(raw[..., :2].numpy()).view(np.float16))[..., 0]
    torch.testing.assert_close(
        found.scales.float() * found.factor, scales.float(), rtol=2e-3, atol=1e-6
    )


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("value", [0.0, 0.75, -3.0])
def test_constant_groups(bits, value):
    weight = torch.full((5, 96), value)
    torch.testing.assert_close(quantise(weight, bits).dequantise(), weight, rtol=1e-3, atol=0)


@pytest.mark.parametrize("bits", [8, 4])
def test_a_group_of_tiny_weights_beside_large_ones_keeps_its_precision(bits):
    weight = random(4, 64)
    weight[:, :32] *= 1e-5
    found = quantise(weight, bits).dequantise()[:, :32]
    assert ((found - weight[:, :32]).norm() / weight[:, :32].norm()).item() < 0.09


@pytest.mark.parametrize("bits", [8, 4])
def test_rows_that_end_within_a_group(bits):
    weight = random(7, 45)
    found = quantise(weight, bits)
    assert found.codes.shape == (7, 64)
    assert found.dequantise().shape == (7, 45)
    assert ((found.dequantise() - weight).norm() / weight.norm()).item() < 0.085


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(bits, value):
    weight = random(3, 64)
    weight[1, 40] = value
    found = quantise(weight, bits).dequantise()
    assert not found[1, 32:].isfinite().any()
    assert found[0].isfinite().all()
    assert found[1, :32].isfinite().all()
