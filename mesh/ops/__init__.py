"""The numerical operations a model is made of, by device."""

from __future__ import annotations

import torch

from rostra.mesh.engine.config import Quantization
from rostra.mesh.ops.base import Linear, Ops, StepLayout

__all__ = ["Linear", "Ops", "StepLayout", "make_ops"]


def make_ops(device: torch.device, dtype: torch.dtype, quantization: Quantization = "none") -> Ops:
    """The implementation for a device. Triton is imported only where it is used."""
    if device.type == "cpu":
        from rostra.mesh.ops.cpu import CpuOps

        return CpuOps(dtype, quantization)
    from rostra.mesh.ops.triton import TritonOps

    return TritonOps(device, quantization)
