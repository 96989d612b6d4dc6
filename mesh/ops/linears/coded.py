"""Weights that a checkpoint stores quantised, in the layouts of the CPU's kernels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from rostra.mesh.ops.base import Linear
from rostra.mesh.ops.coded_weight import CodedWeight
from rostra.mesh.ops.linears.compiled import QuantisedLinear
from rostra.mesh.ops.linears.quantise import GROUP, QuantisedWeight
from rostra.mesh.ops.native import library


def keeps_coded(weight: CodedWeight) -> bool:
    """Whether `make_coded_linear` has a kernel for it."""
    if library() is None or weight.kind == "fp8":
        return False
    if weight.kind == "int8" and weight.zeros is not None:
        return False
    return weight.group_runs(GROUP) is not None


def make_coded_linear(weight: CodedWeight, bias: Tensor | None) -> Linear:
    """x -> x @ weight.T + bias, for a weight that `keeps_coded` takes.

    Rows of x are quantised as in `make_linear`.
    """
    kernels = library()
    assert kernels is not None
    return QuantisedLinear(kernels, to_quantised(weight), bias)


def to_quantised(weight: CodedWeight) -> QuantisedWeight:
    """The same codes, with each scale repeated for the groups of 32 that it covers.

    Scales of 16 bits stay as they are. Those of 32, and the minima, which are -zero * scale, are
    rounded to the 11 bits of float16: a minimum is off by less than 0.8 % of a step of its codes,
    and by nothing where the zero is a power of two, such as the 8 of symmetric weights.
    """
    runs = weight.group_runs(GROUP)
    assert runs is not None
    scales = weight.scales[:, runs]
    minima = None
    if weight.kind == "int4":
        zeros = weight.scales.new_zeros(()) if weight.zeros is None else weight.zeros[:, runs]
        minima = -zeros * scales
    largest = float((scales if minima is None else torch.maximum(scales.abs(), minima.abs())).max())
    # The upper end of float16's range, so that the smallest scales keep their precision.
    exponent = 15 - math.frexp(largest)[1] if largest > 0 else 0
    factor = math.ldexp(1.0, exponent)
    in_features = weight.shape[1]
    padding = (0, len(runs) * GROUP - in_features)
    return QuantisedWeight(
        bits=4 if weight.kind == "int4" else 8,
        in_features=in_features,
        codes=functional.pad(weight.codes, padding).contiguous(),
        scales=(scales * factor).half(),
        minima=None if minima is None else (minima * factor).half(),
        factor=1 / factor,
    )
