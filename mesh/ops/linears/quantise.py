"""Weights in codes of few bits, with scales for groups of 32 of a row."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

GROUP = 32
_CHUNK = 1 << 18
"""Weights quantised at once: what is made of them on the way stays in the processor's caches."""


@dataclass(frozen=True)
class QuantisedWeight:
    """`factor * (codes * scales + minima)`, group by group, is about the weight.

    These are the formats Q8_0 and Q4_1 of GGUF files, so a weight that was once stored in them gets
    the same codes again. Rows end in padding where their length is no multiple of the group.
    """

    bits: int
    in_features: int
    codes: Tensor
    """[out, groups * 32]: int8 from -127 to 127, or uint8 from 0 to 15."""
    scales: Tensor
    """float16 [out, groups]."""
    minima: Tensor | None
    """float16 [out, groups] with 4 bits."""
    factor: float
    """A power of two that brings the weight's values into the range of float16."""

    def dequantise(self) -> Tensor:
        """float32 [out, in_features]."""
        values = self.codes.unflatten(1, (-1, GROUP)) * self.scales.float().unsqueeze(2)
        if self.minima is not None:
            values += self.minima.float().unsqueeze(2)
        return values.mul_(self.factor).flatten(1)[:, : self.in_features]


def quantise(weight: Tensor, bits: int) -> QuantisedWeight:
    """`weight` [out, in] of any floating dtype, in 8 bits about zero or in 4 above a minimum.

    A group with NaN or infinity in it is NaN afterwards.
    """
    out_features, in_features = weight.shape
    groups = -(-in_features // GROUP)
    largest = float(torch.nan_to_num(weight.abs().amax().float(), posinf=0.0))
    # Scales of groups a million times smaller than the largest keep their precision.
    exponent = 10 - math.frexp(largest)[1] if largest > 0 else 0
    codes = torch.empty(
        (out_features, groups * GROUP), dtype=torch.int8 if bits == 8 else torch.uint8
    )
    scales = torch.empty((out_features, groups), dtype=torch.float16)
    minima = None if bits == 8 else torch.empty_like(scales)
    rows = max(1, _CHUNK // in_features)
    for start in range(0, out_features, rows):
        part = slice(start, start + rows)
        values = weight[part].float() * math.ldexp(1.0, exponent)
        if groups * GROUP != in_features:  # with what moves neither end of the group's range
            padding = (0, groups * GROUP - in_features)
            values = functional.pad(values.unsqueeze(0), padding, mode="replicate")[0]
        values = values.unflatten(1, (groups, GROUP))
        made = codes[part].view(-1, groups, GROUP)
        if minima is None:
            _symmetric(values, made, scales[part])
        else:
            _above_minimum(values, made, scales[part], minima[part])
    return QuantisedWeight(bits, in_features, codes, scales, minima, math.ldexp(1.0, -exponent))


def _symmetric(values: Tensor, codes: Tensor, scales: Tensor) -> None:
    scales.copy_(values.abs().amax(2).div_(127))
    steps = values.mul_(_inverse(scales).unsqueeze(2))
    codes.copy_(steps.round_().clamp_(-127, 127))


def _above_minimum(values: Tensor, codes: Tensor, scales: Tensor, minima: Tensor) -> None:
    low, high = torch.aminmax(values, dim=2)
    minima.copy_(low)
    scales.copy_(high.sub_(low).div_(15))
    steps = values.sub_(minima.float().unsqueeze(2)).mul_(_inverse(scales).unsqueeze(2))
    codes.copy_(steps.round_().clamp_(0, 15))


def _inverse(scales: Tensor) -> Tensor:
    """Zero for a scale of zero, whose group is constant."""
    return torch.where(scales == 0, 0.0, scales.float().reciprocal())
