"""The operations as Triton kernels, for GPUs.

For CUDA graphs: make a step of the largest size with `TritonOps.buffers`, capture the model's
forward pass with it, and before each replay `fill` it with the layout and the token ids (see
`TritonStep`). `prepare` returns a `TritonStep` as it is, so a forward pass takes either a layout or
a step. The eager path makes a step that just fits each layout and goes the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rostra.kernels.activation import gelu_and_mul, silu_and_mul
from rostra.kernels.chip import Chip
from rostra.kernels.lora import lora_expand, lora_shrink
from rostra.kernels.paged_attention import paged_attention
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import can_multiply, quantized_matmul
from rostra.kernels.rms_norm import rms_norm
from rostra.kernels.rope_cache import rope_and_cache
from rostra.mesh.engine.config import Quantization
from rostra.mesh.errors import RostraError
from rostra.mesh.ops.adapters import count_slots
from rostra.mesh.ops.base import AdapterWeights, Linear, QKNorm, RotaryTable, StepLayout
from rostra.mesh.ops.coded_weight import CodedWeight
from rostra.mesh.ops.triton_experts import TritonExperts
from rostra.mesh.ops.triton_step import TritonStep

_WEIGHT_TYPES: dict[Quantization, torch.dtype] = {
    "int8": torch.int8,
    "fp8": torch.float8_e4m3fn,
}


class TritonOps:
    """One launch for all sequences of a step, whatever they do.

    Raises RostraError for a quantization that `device` does not compute.
    """

    def __init__(self, device: torch.device, quantization: Quantization = "none") -> None:
        self._device = device
        self._weight_type = None if quantization == "none" else _weight_type(quantization, device)

    def linear(self, weight: Tensor, bias: Tensor | None, *, sensitive: bool = False) -> Linear:
        """A `sensitive` weight is quantised as the others are: none keeps less than eight bits."""
        if self._weight_type is None:
            return lambda x: functional.linear(x, weight, bias)
        quantized, scale = quantize_weight(weight, self._weight_type)
        return lambda x: quantized_matmul(x, quantized, scale, bias)

    def router(self, weight: Tensor) -> Linear:
        return lambda x: functional.linear(x, weight)

    def experts(self, num_experts: int) -> TritonExperts:
        return TritonExperts(num_experts, self._weight_type)

    def keeps(self, weight: CodedWeight) -> bool:
        return weight.per_channel and can_multiply(weight.codes.dtype, Chip.of(self._device))

    def coded_linear(self, weight: CodedWeight, bias: Tensor | None) -> Linear:
        codes, scale = weight.codes, weight.scales[:, 0].contiguous()
        return lambda x: quantized_matmul(x, codes, scale, bias)

    def buffers(
        self,
        tables: Sequence[RotaryTable],
        *,
        num_tokens: int,
        num_seqs: int,
        num_blocks: int,
        max_query_len: int,
        max_seq_len: int,
        num_adapter_slots: int = 0,
    ) -> TritonStep:
        """A step of these sizes, all padding.

        `tables` as for `prepare`. The rows of a layout have at most `num_blocks` blocks,
        `max_query_len` new tokens and `max_seq_len` tokens in all, and adapters in the first
        `num_adapter_slots` slots.
        """
        return TritonStep(
            self._device,
            tables,
            num_tokens=num_tokens,
            num_seqs=num_seqs,
            num_blocks=num_blocks,
            max_query_len=max_query_len,
            max_seq_len=max_seq_len,
            num_adapter_slots=num_adapter_slots,
        )

    def prepare(self, layout: StepLayout | TritonStep, tables: Sequence[RotaryTable]) -> TritonStep:
        if isinstance(layout, TritonStep):
            return layout
        num_seqs, num_blocks = layout.block_table.shape
        step = self.buffers(
            tables,
            num_tokens=len(layout.positions),
            num_seqs=num_seqs,
            num_blocks=num_blocks,
            max_query_len=int(layout.query_lens.max()),
            max_seq_len=int(layout.seq_lens.max()),
            num_adapter_slots=count_slots(layout),
        )
        return step.fill(layout)

    def add_adapters(
        self, x: Tensor, out: Tensor, weights: AdapterWeights, step: TritonStep
    ) -> None:
        assert step.adapters is not None
        hidden = lora_shrink(x, weights.a, weights.ranks, *step.adapters)
        lora_expand(hidden, weights.b, weights.ranks, *step.adapters, weights.outputs, out)

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
        *,
        table: int | None = 0,
        norm: QKNorm | None = None,
    ) -> None:
        cos, sin = (None, None) if table is None else step.tables[table]
        rope_and_cache(
            query,
            key,
            value,
            cos,
            sin,
            step.positions,
            key_cache,
            value_cache,
            step.slot_mapping,
            query_weight=None if norm is None else norm.query,
            key_weight=None if norm is None else norm.key,
            eps=0.0 if norm is None else norm.eps,
        )

    def paged_attention(
        self,
        query: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        scale: float,
        step: TritonStep,
        *,
        sliding_window: int | None = None,
        soft_cap: float | None = None,
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
            sliding_window=sliding_window,
            soft_cap=soft_cap,
        )

    def silu_and_mul(self, gate_up: Tensor) -> Tensor:
        return silu_and_mul(gate_up)

    def gelu_and_mul(self, gate_up: Tensor) -> Tensor:
        return gelu_and_mul(gate_up)


def _weight_type(quantization: Quantization, device: torch.device) -> torch.dtype:
    chip = Chip.of(device)
    works = [name for name, dtype in _WEIGHT_TYPES.items() if can_multiply(dtype, chip)]
    if quantization not in works:
        generation = f"sm_{chip.arch}" if chip.backend == "cuda" else chip.arch
        raise RostraError(
            f"--quantization {quantization} is not supported on a GPU of architecture "
            f"{generation}; use none or {' or '.join(works)}"
        )
    return _WEIGHT_TYPES[quantization]
