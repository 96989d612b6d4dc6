"""Linear maps on a CPU: which layout of a weight, and which kernel, serves it best."""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from rostra.mesh.engine.config import Quantization
from rostra.mesh.errors import RostraError
from rostra.mesh.ops.base import Linear
from rostra.mesh.ops.linears.coded import keeps_coded, make_coded_linear
from rostra.mesh.ops.linears.compiled import FloatLinear, QuantisedLinear
from rostra.mesh.ops.linears.quantise import quantise
from rostra.mesh.ops.lossless import in_16_bits
from rostra.mesh.ops.native import library
from rostra.mesh.ops.packed_linear import can_pack, pack

log = logging.getLogger(__name__)

__all__ = ["check_quantization", "keeps_coded", "make_coded_linear", "make_linear"]

_BITS: dict[Quantization, int] = {"int8": 8, "int4": 4}


def check_quantization(quantization: Quantization) -> None:
    """Raises RostraError for what a CPU has no kernels for."""
    if quantization != "none" and quantization not in _BITS:
        raise RostraError(
            f"--quantization {quantization} is not supported on a CPU; use none, int8 or int4"
        )


def make_linear(
    weight: Tensor,
    bias: Tensor | None,
    quantization: Quantization = "none",
    *,
    sensitive: bool = False,
) -> Linear:
    """x -> x @ weight.T + bias, for `weight` [out, in] and x [T, in] of any floating dtype.

    The result has the dtype of x. Nothing refers to `weight` afterwards unless PyTorch's own
    product is used. A `sensitive` weight keeps eight bits.

    Unquantised, a weight whose values all fit into 16 bits is stored in 16 and multiplied in
    float32, except where the CPU multiplies bfloat16 itself. Quantised, so is every row of x, in
    groups of 32: to 8 bits, or to 16 where that costs nothing. With compiled kernels, a row's
    result is the same to the last bit whatever other rows are computed with it.

    Raises RostraError for a quantization that CPUs do not have.
    """
    check_quantization(quantization)
    kernels = library()
    if quantization != "none":
        quantised = quantise(weight, 8 if sensitive else _BITS[quantization])
        if kernels is not None:
            return QuantisedLinear(kernels, quantised, bias)
        _warn_of_dequantising()
        return _pytorch_linear(quantised.dequantise().to(weight.dtype), bias)
    if kernels is None or (weight.dtype == torch.bfloat16 and can_pack(weight)):
        return _pytorch_linear(weight, bias)
    return FloatLinear(kernels, in_16_bits(weight), bias)


def _pytorch_linear(weight: Tensor, bias: Tensor | None) -> Linear:
    if can_pack(weight):
        return pack(weight, bias)
    return lambda x: functional.linear(x, weight, bias)


@cache
def _warn_of_dequantising() -> None:
    log.warning(
        "without compiled kernels, quantised weights are kept and multiplied as unquantised ones: "
        "they save neither time nor memory"
    )
