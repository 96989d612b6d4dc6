"""What linear maps a CPU has, whichever kernels compute the rest of a model."""

from __future__ import annotations

from torch import Tensor

from rostra.mesh.engine.config import Quantization
from rostra.mesh.ops.base import Linear
from rostra.mesh.ops.coded_weight import CodedWeight
from rostra.mesh.ops.linears import (
    check_quantization,
    keeps_coded,
    make_coded_linear,
    make_linear,
)


class CpuMaps:
    """The part of `Ops` that makes linear maps."""

    def __init__(self, quantization: Quantization) -> None:
        check_quantization(quantization)
        self._quantization = quantization

    def linear(self, weight: Tensor, bias: Tensor | None, *, sensitive: bool = False) -> Linear:
        return make_linear(weight, bias, self._quantization, sensitive=sensitive)

    def router(self, weight: Tensor) -> Linear:
        return make_linear(weight, None, "none")

    def keeps(self, weight: CodedWeight) -> bool:
        return keeps_coded(weight)

    def coded_linear(self, weight: CodedWeight, bias: Tensor | None) -> Linear:
        return make_coded_linear(weight, bias)
