"""The operations in PyTorch, arranged for CPUs: what runs where there is no C++ compiler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rostra.mesh.engine.config import Quantization
from rostra.mesh.ops.base import Linear, QKNorm, RotaryTable, StepLayout
from rostra.mesh.ops.linears import check_quantization, make_linear

_QUERY_CHUNK = 256
"""Queries attended to at once: later keys are then not read for earlier queries."""
_PADDING_RATIO = 0.75
"""Sequences share a batch when none is shorter than this share of the longest."""


@dataclass(frozen=True)
class _DecodeGroup:
    """Sequences of similar length with one new token each."""

    rows: Tensor
    """int64 [s], of the step's tokens."""
    block_ids: Tensor
    """int64 [s * m], of the longest's m blocks."""
    mask: Tensor | None
    """[s, 1, 1, m * block_size], added to the scores; None where nothing is padding."""
    padding: Tensor | None
    """int64, slots of the gathered blocks that are beyond their sequence: never written, or by a
    sequence that is gone, so that they may hold a NaN, which no mask would hide."""


@dataclass(frozen=True)
class _Prefill:
    """A sequence with several new tokens."""

    rows: slice
    block_ids: Tensor
    start: int
    """Position of its first new token."""


@dataclass(frozen=True)
class TorchStep:
    cos: Tensor
    """float32 [T, 1, D], both halves."""
    sin: Tensor
    """float32 [T, 1, D], negative in the first half."""
    slot_mapping: Tensor
    decode: Sequence[_DecodeGroup]
    prefill: Sequence[_Prefill]


class TorchCpuOps:
    """Decoding sequences are attended to together, prefilling ones each on its own."""

    def __init__(self, dtype: torch.dtype, quantization: Quantization = "none") -> None:
        check_quantization(quantization)
        self._dtype = dtype
        self._quantization = quantization
        self._causal = _CausalMask(dtype)
        self._keys = torch.empty(0, dtype=dtype)
        self._values = torch.empty(0, dtype=dtype)

    def linear(self, weight: Tensor, bias: Tensor | None, *, sensitive: bool = False) -> Linear:
        return make_linear(weight, bias, self._quantization, sensitive=sensitive)

    def prepare(self, layout: StepLayout, tables: Sequence[RotaryTable]) -> TorchStep:
        cos, sin = tables[0]
        positions = torch.from_numpy(layout.positions)
        cos, sin = cos[positions].unsqueeze(1), sin[positions].unsqueeze(1)
        decoding = np.flatnonzero(layout.query_lens == 1)
        prefilling = np.flatnonzero(layout.query_lens > 1)
        return TorchStep(
            cos=torch.cat((cos, cos), -1),
            sin=torch.cat((-sin, sin), -1),
            slot_mapping=torch.from_numpy(layout.slot_mapping),
            decode=[
                self._decode_group(layout, members)
                for members in _by_length(decoding, layout.seq_lens)
            ],
            prefill=[_prefill(layout, int(sequence)) for sequence in prefilling],
        )

    def rms_norm(
        self, x: Tensor, weight: Tensor, eps: float, residual: Tensor | None = None
    ) -> Tensor:
        if residual is not None:
            x = residual.add_(x)
        normed = functional.rms_norm(x.float(), (x.shape[-1],), None, eps)
        return normed.to(x.dtype).mul_(weight)

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
        if table != 0 or norm is not None:
            raise NotImplementedError
        _rotate(query, step.cos, step.sin)
        _rotate(key, step.cos, step.sin)
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
        if sliding_window is not None or soft_cap is not None:
            raise NotImplementedError
        out = torch.empty(query.shape, dtype=query.dtype)
        num_kv_heads, head_dim = key_cache.shape[2:]
        # Query heads that share a key-value head: [..., Hkv, G, D].
        grouped = query.view(query.shape[0], num_kv_heads, -1, head_dim)
        for group in step.decode:
            size = group.rows.shape[0]
            gathered = self._gather(key_cache, value_cache, group.block_ids)
            if group.padding is not None:
                for part in gathered:
                    part.view(-1, num_kv_heads * head_dim).index_fill_(0, group.padding, 0)
            keys, values = (
                part.view(size, -1, num_kv_heads, head_dim).transpose(1, 2) for part in gathered
            )
            # The group takes the place of the queries, so that keys are read once for all of it.
            attended = functional.scaled_dot_product_attention(
                grouped.index_select(0, group.rows), keys, values, attn_mask=group.mask, scale=scale
            )
            out.index_copy_(0, group.rows, attended.flatten(1, 2))
        for sequence in step.prefill:
            keys, values = (
                part.view(-1, num_kv_heads, 1, head_dim).permute(1, 2, 0, 3)
                for part in self._gather(key_cache, value_cache, sequence.block_ids)
            )
            self._attend_causally(
                grouped[sequence.rows],
                keys,
                values,
                sequence.start,
                scale,
                out[sequence.rows].unflatten(1, (num_kv_heads, -1)),
            )
        return out

    def silu_and_mul(self, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate).mul_(up)

    def gelu_and_mul(self, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.gelu(gate, approximate="tanh").mul_(up)

    def _attend_causally(
        self, query: Tensor, keys: Tensor, values: Tensor, start: int, scale: float, out: Tensor
    ) -> None:
        """`query` and `out` are [t, Hkv, G, D], `keys` and `values` [Hkv, 1, >= start + t, D]."""
        group = query.shape[2]
        for first in range(0, query.shape[0], _QUERY_CHUNK):
            chunk = query[first : first + _QUERY_CHUNK].permute(1, 2, 0, 3)
            end = start + first + chunk.shape[2]
            attended = functional.scaled_dot_product_attention(
                chunk,
                keys[:, :, :end].expand(-1, group, -1, -1),
                values[:, :, :end].expand(-1, group, -1, -1),
                attn_mask=self._causal(start + first, chunk.shape[2]),
                scale=scale,
            )
            out[first : first + _QUERY_CHUNK] = attended.permute(2, 0, 1, 3)

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

    def _decode_group(self, layout: StepLayout, members: np.ndarray) -> _DecodeGroup:
        lengths = layout.seq_lens[members]
        num_blocks = -(-int(lengths.max()) // layout.block_size)
        columns = np.arange(num_blocks * layout.block_size)
        mask = padding = None
        if (lengths < columns.shape[0]).any():
            hidden = torch.from_numpy(columns >= lengths[:, None])
            mask = torch.zeros(hidden.shape, dtype=self._dtype).masked_fill_(hidden, -torch.inf)
            mask = mask[:, None, None]
            padding = torch.from_numpy(np.flatnonzero(hidden.numpy()))
        block_ids = layout.block_table[members, :num_blocks].ravel().astype(np.int64)
        return _DecodeGroup(
            rows=torch.from_numpy(layout.query_start[members].astype(np.int64)),
            block_ids=torch.from_numpy(block_ids),
            mask=mask,
            padding=padding,
        )


class _CausalMask:
    """Masks for any run of queries, all cut from one table."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._table = torch.empty(_QUERY_CHUNK, 0, dtype=dtype)

    def __call__(self, start: int, num_queries: int) -> Tensor:
        """[num_queries, start + num_queries], -inf where the key is after the query."""
        origin = self._table.shape[1] - _QUERY_CHUNK
        if origin < start:
            origin = max(2 * start, 1024)
            shape = (_QUERY_CHUNK, origin + _QUERY_CHUNK)
            after = torch.full(shape, -torch.inf, dtype=self._dtype)
            self._table = after.triu_(origin + 1)
        return self._table[:num_queries, origin - start : origin + num_queries]


def _by_length(sequences: np.ndarray, seq_lens: np.ndarray) -> list[np.ndarray]:
    """Splits into groups whose members are padded to their longest at little cost."""
    groups: list[np.ndarray] = []
    rest = sequences[np.argsort(-seq_lens[sequences], kind="stable")]
    while rest.size:
        near = int((seq_lens[rest] >= _PADDING_RATIO * seq_lens[rest[0]]).sum())
        groups.append(rest[:near])
        rest = rest[near:]
    return groups


def _prefill(layout: StepLayout, sequence: int) -> _Prefill:
    begin, end = (int(i) for i in layout.query_start[sequence : sequence + 2])
    length = int(layout.seq_lens[sequence])
    block_ids = layout.block_table[sequence, : -(-length // layout.block_size)]
    return _Prefill(
        rows=slice(begin, end),
        block_ids=torch.from_numpy(block_ids.astype(np.int64)),
        start=length - (end - begin),
    )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    half = x.shape[-1] // 2
    wide = x.float()
    swapped = torch.cat((wide[..., half:], wide[..., :half]), dim=-1)
    x.copy_(torch.addcmul(wide * cos, swapped, sin))
