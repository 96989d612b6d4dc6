"""A mixture of experts on a GPU: the weights of all experts side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from rostra.kernels.moe import mixture_of_experts
from rostra.kernels.quantize import quantize_weight


class TritonExperts:
    """Weights are copied into place, and quantised on the way, one expert at a time."""

    def __init__(self, num_experts: int, weight_type: torch.dtype | None) -> None:
        """`weight_type`: int8 or float8 e4m3; None: that of the weights added."""
        self._gate_up = _Stack(num_experts, weight_type)
        self._down = _Stack(num_experts, weight_type)

    def add(self, gate_up: Tensor, down: Tensor) -> None:
        self._gate_up.add(gate_up)
        self._down.add(down)

    def __call__(
        self, x: Tensor, router_logits: Tensor, *, top_k: int, renormalize: bool
    ) -> Tensor:
        return mixture_of_experts(
            x,
            router_logits,
            self._gate_up.values,
            self._down.values,
            self._gate_up.scales,
            self._down.scales,
            top_k=top_k,
            renormalize=renormalize,
        )


class _Stack:
    """Matrices of equal shape, filled one by one."""

    values: Tensor
    """[E, N, K]"""
    scales: Tensor | None
    """float32 [E, N], where the matrices are quantised."""

    def __init__(self, count: int, weight_type: torch.dtype | None) -> None:
        self._count = count
        self._weight_type = weight_type
        self._filled = 0

    def add(self, matrix: Tensor) -> None:
        if not self._filled:
            dtype = self._weight_type or matrix.dtype
            self.values = matrix.new_empty((self._count, *matrix.shape), dtype=dtype)
            self.scales = None
            if self._weight_type is not None:
                shape = (self._count, matrix.shape[0])
                self.scales = matrix.new_empty(shape, dtype=torch.float32)
        if self.scales is None:
            self.values[self._filled] = matrix
        else:
            quantized, scale = quantize_weight(matrix, self.values.dtype)
            self.values[self._filled] = quantized
            self.scales[self._filled] = scale
        self._filled += 1
