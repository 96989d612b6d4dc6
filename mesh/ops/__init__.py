"""The numerical operations a model is made of, by device."""

from __future__ import annotations

import torch

from rostra.mesh.engine.config import Quantization
from rostra.mesh.ops.base import Experts, Linear, Ops, QKNorm, RotaryTable, StepLayout

__all__ = ["Experts", "Linear", "Ops", "QKNorm", "RotaryTable", "StepLayout", "make_ops"]


def make_ops(device: torch.device, dtype: torch.dtype, quantization: Quantization = "auto") -> Ops:
    """The implementation for a device; what it needs is imported only where it is used.

    `auto` quantises nothing: weights that are stored so are for `coded_linear`.

    For a CPU that is the compiled kernels, or PyTorch's own operations where they cannot be had.
    """
    if quantization == "auto":
        quantization = "none"
    if device.type == "cpu":
        from rostra.mesh.ops.native import library
        from rostra.mesh.ops.native_cpu import NativeCpuOps
        from rostra.mesh.ops.torch_cpu import TorchCpuOps

        kernels = library()
        if kernels is None:
            return TorchCpuOps(dtype, quantization)
        return NativeCpuOps(kernels, dtype, quantization)
    from rostra.mesh.ops.triton import TritonOps

    return TritonOps(device, quantization)
