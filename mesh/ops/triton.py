"""The operations as Triton kernels, for GPUs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rostra.kernels.paged_attention import paged_attention
from rostra.kernels.rms_norm import rms_norm
from rostra.kernels.rope_cache import rope_and_cache
from rostra.kernels.silu_and_mul import silu_and_mul
from rostra.mesh.engine.config import Quantization
from rostra.mesh.errors import RostraError
from rostra.mesh.ops.base import Linear, StepLayout


@dataclass(frozen=True)
class TritonStep:
    """The layout on the device, and on the host what chooses a launch."""

    cos: Tensor
    sin: Tensor
    positions: Tensor
    slot_mapping: Tensor
    block_table: Tensor
    query_start: Tensor
    seq_lens: Tensor
    max_query_len: int
    max_seq_len: int


class TritonOps:
    """One launch for all sequences of a step, whatever they do."""

    def __init__(self, device: torch.device, quantization: Quantization = "none") -> None:
        if quantization != "none":
            raise RostraError(f"--quantization {quantization} is not supported on a GPU; use none")
        self._device = device

    def linear(self, weight: Tensor, bias: Tensor | None, *, sensitive: bool = False) -> Linear:
        return lambda x: functional.linear(x, weight, bias)

    def prepare(self, layout: StepLayout, cos: Tensor, sin: Tensor) -> TritonStep:
        def on_device(array: object) -> Tensor:
            return torch.as_tensor(array, device=self._device)

        return TritonStep(
            cos=cos,
            sin=sin,
            positions=on_device(layout.positions),
            slot_mapping=on_device(layout.slot_mapping),
            block_table=on_device(layout.block_table),
            query_start=on_device(layout.query_start),
            seq_lens=on_device(layout.seq_lens),
            max_query_len=int(layout.query_lens.max()),
            max_seq_len=int(layout.seq_lens.max()),
        )

    def rms_norm(
        self, x: Tensor, weight: Tensor, eps: float, residual: Tensor | None = None
    ) -> Tensor:
        return rms_norm(x, weight, eps, residual)

    def rope_and_cache(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        step: TritonStep,
    ) -> None:
        rope_and_cache(
            query,
            key,
            value,
            step.cos,
            step.sin,
            step.positions,
            key_cache,
            value_cache,
            step.slot_mapping,
        )

    def paged_attention(
        self, query: Tensor, key_cache: Tensor, value_cache: Tensor, scale: float, step: TritonStep
    ) -> Tensor:
        return paged_attention(
            query,
            key_cache,
            value_cache,
            step.block_table,
            step.query_start,
            step.seq_lens,
            scale=scale,
            max_query_len=step.max_query_len,
            max_seq_len=step.max_seq_len,
        )

    def silu_and_mul(self, gate_up: Tensor) -> Tensor:
        return silu_and_mul(gate_up)
