"""The operations in PyTorch, arranged for CPUs: what runs where there is no C++ compiler."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rostra.mesh.engine.config import Quantization
from rostra.mesh.ops.adapters import add_by_groups
from rostra.mesh.ops.base import AdapterWeights, QKNorm, RotaryTable, StepLayout
from rostra.mesh.ops.cpu_maps import CpuMaps
from rostra.mesh.ops.experts import CpuExperts
from rostra.mesh.ops.torch_step import TorchStep

_QUERY_CHUNK = 256
"""Queries attended to at once: later keys are then not read for earlier queries."""


class TorchCpuOps(CpuMaps):
    """Decoding sequences are attended to together, prefilling ones each on its own."""

    def __init__(self, dtype: torch.dtype, quantization: Quantization = "none") -> None:
        super().__init__(quantization)
        self._dtype = dtype
        self._mask = _Mask(dtype)
        self._keys = torch.empty(0, dtype=dtype)
        self._values = torch.empty(0, dtype=dtype)

    def experts(self, num_experts: int) -> CpuExperts:
        del num_experts  # each has its own linear maps
        return CpuExperts(self)

    def prepare(self, layout: StepLayout, tables: Sequence[RotaryTable]) -> TorchStep:
        return TorchStep(layout, tables, self._dtype)

    def add_adapters(
        self, x: Tensor, out: Tensor, weights: AdapterWeights, step: TorchStep
    ) -> None:
        assert step.adapters is not None
        add_by_groups(x, out, weights, step.adapters)

    def rms_norm(
        self, x: Tensor, weight: Tensor, eps: float, residual: Tensor | None = None
    ) -> Tensor:
        if residual is not None:
            x = residual.add_(x)
        normed = functional.rms_norm(x.float(), (x.shape[-1],), None, eps)
        return normed.to(weight.dtype).mul_(weight).to(x.dtype)

    def rope_and_cache(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        step: TorchStep,
        *,
        table: int | None = 0,
        norm: QKNorm | None = None,
    ) -> None:
        angles = None if table is None else step.angles[table]
        eps = 0.0 if norm is None else norm.eps
        _turn(query, None if norm is None else norm.query, eps, angles)
        _turn(key, None if norm is None else norm.key, eps, angles)
        key_cache.flatten(0, 1).index_copy_(0, step.slot_mapping, key)
        value_cache.flatten(0, 1).index_copy_(0, step.slot_mapping, value)

    def paged_attention(
        self,
        query: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        scale: float,
        step: TorchStep,
        *,
        sliding_window: int | None = None,
        soft_cap: float | None = None,
    ) -> Tensor:
        out = torch.empty(query.shape, dtype=query.dtype)
        block_size, num_kv_heads, head_dim = key_cache.shape[1:]
        # Query heads that share a key-value head: [..., Hkv, G, D].
        grouped = query.view(query.shape[0], num_kv_heads, -1, head_dim)
        for group in step.decode(sliding_window):
            size = group.rows.shape[0]
            gathered = self._gather(key_cache, value_cache, group.block_ids)
            if group.unseen is not None:
                for part in gathered:
                    part.view(-1, num_kv_heads * head_dim).index_fill_(0, group.unseen, 0)
            keys, values = (
                part.view(size, -1, num_kv_heads, head_dim).transpose(1, 2) for part in gathered
            )
            # The group takes the place of the queries, so that keys are read once for all of it.
            queries = grouped.index_select(0, group.rows)
            attended = _attention(queries, keys, values, group.mask, scale, soft_cap)
            out.index_copy_(0, group.rows, attended.flatten(1, 2))
        for sequence in step.prefill:
            first_block = _first_seen(sequence.start, sliding_window) // block_size
            blocks = sequence.block_ids[first_block:]
            keys, values = (
                part.view(-1, num_kv_heads, 1, head_dim).permute(1, 2, 0, 3)
                for part in self._gather(key_cache, value_cache, blocks)
            )
            queries = grouped[sequence.rows]
            attended = out[sequence.rows].unflatten(1, (num_kv_heads, -1))
            for first in range(0, queries.shape[0], _QUERY_CHUNK):
                chunk = queries[first : first + _QUERY_CHUNK].permute(1, 2, 0, 3)
                mask, seen = self._mask(sequence.start + first, chunk.shape[2], sliding_window)
                here = slice(
                    seen.start - first_block * block_size, seen.stop - first_block * block_size
                )
                result = _attention(
                    chunk, keys[:, :, here], values[:, :, here], mask, scale, soft_cap
                )
                attended[first : first + _QUERY_CHUNK] = result.permute(2, 0, 1, 3)
        return out

    def silu_and_mul(self, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate).mul_(up)

    def gelu_and_mul(self, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.gelu(gate, approximate="tanh").mul_(up)

    def _gather(
        self, key_cache: Tensor, value_cache: Tensor, block_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The blocks' keys and values, [n, B * Hkv * D], valid until the next call.

        One buffer serves all layers: fresh memory of this size costs its page faults each time.
        """
        width = key_cache[0].numel()
        needed = block_ids.shape[0] * width
        if self._keys.shape[0] < needed:
            self._keys = torch.empty(needed, dtype=self._dtype)
            self._values = torch.empty(needed, dtype=self._dtype)
        keys = self._keys[:needed].view(-1, width)
        values = self._values[:needed].view(-1, width)
        torch.index_select(key_cache.view(-1, width), 0, block_ids, out=keys)
        torch.index_select(value_cache.view(-1, width), 0, block_ids, out=values)
        return keys, values


class _Mask:
    """Masks for any run of queries, all cut from one table."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._table = torch.empty(_QUERY_CHUNK, 0, dtype=dtype)

    def __call__(self, start: int, num_queries: int, window: int | None) -> tuple[Tensor, slice]:
        """For the queries at the positions from `start` on: [num_queries, keys], -inf where the key
        is after the query or beyond its window; and which keys, those before being in no window."""
        origin = self._table.shape[1] - _QUERY_CHUNK
        if origin < start:
            origin = max(2 * start, 1024)
            shape = (_QUERY_CHUNK, origin + _QUERY_CHUNK)
            after = torch.full(shape, -torch.inf, dtype=self._dtype)
            self._table = after.triu_(origin + 1)
        first = _first_seen(start, window)
        seen = slice(first, start + num_queries)
        mask = self._table[:num_queries, origin - start + first : origin + num_queries]
        if window is not None:
            before = torch.ones(mask.shape, dtype=torch.bool).tril_(start - window - first)
            mask = mask.masked_fill(before, -torch.inf)
        return mask, seen


def _first_seen(position: int, window: int | None) -> int:
    """The first position that is seen from `position`."""
    return 0 if window is None else max(0, position + 1 - window)


def _attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    scale: float,
    soft_cap: float | None,
) -> Tensor:
    """`query` is [a, b, t, D], `keys` and `values` [a, b or 1, n, D], `mask` is added to the
    scores."""
    if soft_cap is None:
        keys, values = (x.expand(-1, query.shape[1], -1, -1) for x in (keys, values))
        return functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, scale=scale
        )
    scores = torch.matmul(query.float() * (scale / soft_cap), keys.float().transpose(-1, -2))
    scores = scores.tanh_().mul_(soft_cap)
    if mask is not None:
        scores += mask
    return torch.matmul(scores.softmax(-1), values.float()).to(query.dtype)


def _turn(x: Tensor, weight: Tensor | None, eps: float, angles: RotaryTable | None) -> None:
    """Norms and rotates the heads `x` [T, H, D] in place, as far as each is wanted."""
    wide = x.float()
    if weight is not None:
        wide = functional.rms_norm(wide, (x.shape[-1],), weight.float(), eps)
    if angles is not None:
        cos, sin = angles
        size = cos.shape[-1]
        half = size // 2
        swapped = torch.cat((wide[..., half:size], wide[..., :half]), dim=-1)
        x[..., :size] = torch.addcmul(wide[..., :size] * cos, swapped, sin)
        x, wide = x[..., size:], wide[..., size:]
    if weight is not None:
        x.copy_(wide)
