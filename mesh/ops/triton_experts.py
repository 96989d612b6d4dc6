"""A mixture of experts on a GPU: the weights of all experts side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from rostra.kernels.moe import mixture_of_experts
from rostra.kernels.quantize import quantize_weight
from rostra.mesh.errors import RostraError
from rostra.mesh.ops.coded_weight import CodedWeight


class TritonExperts:
    """Weights are copied into place, and quantised on the way, one expert at a time."""

    def __init__(self, num_experts: int, weight_type: torch.dtype | None) -> None:
        """`weight_type`: int8 or float8 e4m3; None: that of the weights added."""
        self._gate_up = _Stack(num_experts, weight_type)
        self._down = _Stack(num_experts, weight_type)

    def add(self, gate_up: Tensor | CodedWeight, down: Tensor | CodedWeight) -> None:
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

    def add(self, matrix: Tensor | CodedWeight) -> None:
        """Raises RostraError for codes of another kind than those of the first."""
        values, scale = self._coded(matrix)
        if not self._filled:
            self.values = values.new_empty((self._count, *values.shape))
            self.scales = None if scale is None else scale.new_empty((self._count, *scale.shape))
        if values.dtype != self.values.dtype:
            raise RostraError(
                "the experts of a layer are not stored in one way: one has "
                f"{self.values.dtype}, another {values.dtype}; use --quantization none"
            )
        self.values[self._filled] = values
        if self.scales is not None and scale is not None:
            self.scales[self._filled] = scale
        self._filled += 1

    def _coded(self, matrix: Tensor | CodedWeight) -> tuple[Tensor, Tensor | None]:
        if isinstance(matrix, CodedWeight):
            return matrix.codes, matrix.scales[:, 0]
        if self._weight_type is None:
            return matrix, None
        return quantize_weight(matrix, self._weight_type)
