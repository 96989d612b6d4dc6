"""The operations as compiled kernels, for CPUs."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from rostra.mesh.engine.config import Quantization
from rostra.mesh.ops.adapters import NativeAdapters
from rostra.mesh.ops.base import AdapterWeights, QKNorm, RotaryTable, StepLayout
from rostra.mesh.ops.cpu_maps import CpuMaps
from rostra.mesh.ops.experts import CpuExperts
from rostra.mesh.ops.native.recording import Kernel
from rostra.mesh.ops.native_step import NativeStep

_DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
"""The kernels' numbers for them."""


class NativeCpuOps(CpuMaps):
    """One call of a C function for each operation. It trusts its arguments: all tensors are of the
    given dtype, or float32 for weights of norms, caches contiguous, and the others contiguous in
    their last dimension."""

    def __init__(
        self, kernels: ctypes.CDLL, dtype: torch.dtype, quantization: Quantization = "none"
    ) -> None:
        super().__init__(quantization)
        self._dtype = _DTYPES[dtype]
        self._rms_norm = Kernel(kernels, "rostra_rms_norm")
        self._silu_and_mul = Kernel(kernels, "rostra_silu_and_mul")
        self._gelu_and_mul = Kernel(kernels, "rostra_gelu_and_mul")
        self._rope_and_cache = Kernel(kernels, "rostra_rope_and_cache")
        self._paged_attention = Kernel(kernels, "rostra_paged_attention")
        self._add_adapters = NativeAdapters(kernels)

    def experts(self, num_experts: int) -> CpuExperts:
        del num_experts  # each has its own linear maps
        return CpuExperts(self)

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
    ) -> NativeStep:
        """A step at fixed addresses with room for these sizes; a recording keeps to `num_tokens`,
        and finds the other sizes in the step."""
        del max_query_len, max_seq_len
        with_adapters = num_adapter_slots > 0
        return NativeStep(tables, num_tokens, num_seqs, num_blocks, with_adapters=with_adapters)

    def prepare(self, layout: StepLayout | NativeStep, tables: Sequence[RotaryTable]) -> NativeStep:
        # Also makes torch tell OpenMP, in this thread, how many threads it may use.
        torch.get_num_threads()
        if isinstance(layout, NativeStep):
            return layout
        step = NativeStep(
            tables,
            len(layout.positions),
            *layout.block_table.shape,
            with_adapters=layout.adapter_slots is not None,
        )
        return step.fill(layout)

    def add_adapters(
        self, x: Tensor, out: Tensor, weights: AdapterWeights, step: NativeStep
    ) -> None:
        assert step.adapters is not None
        self._add_adapters(self._dtype, x, out, weights, step.adapters)

    def rms_norm(
        self, x: Tensor, weight: Tensor, eps: float, residual: Tensor | None = None
    ) -> Tensor:
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        rows, width = x.shape
        self._rms_norm(
            self._dtype,
            _DTYPES[weight.dtype],
            x.data_ptr(),
            x.stride(0),
            None if residual is None else residual.data_ptr(),
            weight.data_ptr(),
            out.data_ptr(),
            rows,
            width,
            eps,
        )
        return out

    def rope_and_cache(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        step: NativeStep,
        *,
        table: int | None = 0,
        norm: QKNorm | None = None,
    ) -> None:
        _, num_heads, head_dim = query.shape
        query_token, query_head, _ = query.stride()
        key_token, key_head, _ = key.stride()
        value_token, value_head, _ = value.stride()
        self._rope_and_cache(
            self._dtype,
            step.address,
            head_dim,
            query.data_ptr(),
            num_heads,
            query_token,
            query_head,
            key.data_ptr(),
            key.shape[1],
            key_token,
            key_head,
            value.data_ptr(),
            value_token,
            value_head,
            key_cache.data_ptr(),
            value_cache.data_ptr(),
            -1 if table is None else table,
            self._dtype if norm is None else _DTYPES[norm.query.dtype],
            None if norm is None else norm.query.data_ptr(),
            None if norm is None else norm.key.data_ptr(),
            0.0 if norm is None else norm.eps,
        )

    def paged_attention(
        self,
        query: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        scale: float,
        step: NativeStep,
        *,
        sliding_window: int | None = None,
        soft_cap: float | None = None,
    ) -> Tensor:
        _, num_heads, head_dim = query.shape
        token_stride, head_stride, _ = query.stride()
        out = torch.empty_like(query, memory_format=torch.contiguous_format)
        self._paged_attention(
            self._dtype,
            step.address,
            head_dim,
            query.data_ptr(),
            num_heads,
            token_stride,
            head_stride,
            key_cache.data_ptr(),
            value_cache.data_ptr(),
            key_cache.shape[2],
            out.data_ptr(),
            scale,
            sliding_window or 0,
            float(soft_cap or 0.0),
        )
        return out

    def silu_and_mul(self, gate_up: Tensor) -> Tensor:
        return self._activate_and_mul(self._silu_and_mul, gate_up)

    def gelu_and_mul(self, gate_up: Tensor) -> Tensor:
        return self._activate_and_mul(self._gelu_and_mul, gate_up)

    def _activate_and_mul(self, kernel: Kernel, gate_up: Tensor) -> Tensor:
        num_tokens, width = gate_up.shape
        out = gate_up.new_empty((num_tokens, width // 2))
        kernel(self._dtype, gate_up.data_ptr(), out.data_ptr(), num_tokens, width // 2)
        return out
