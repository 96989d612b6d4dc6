"""The integer inputs of a step on the GPU, at addresses that a CUDA graph can keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rostra.kernels.lora_tiles import lora_tiles, most_tiles, tile_rows
from rostra.mesh.ops.adapters import count_slots, token_slots
from rostra.mesh.ops.base import RotaryTable, StepLayout

_ALIGNMENT = 128
"""Bytes. Triton compiles a kernel anew for a pointer that is no multiple of 16."""
_NOWHERE = -1
"""The slot of a token that is not cached."""
_EMPTY = StepLayout(
    positions=np.zeros(0, dtype=np.int64),
    slot_mapping=np.zeros(0, dtype=np.int64),
    query_start=np.zeros(1, dtype=np.int32),
    seq_lens=np.zeros(0, dtype=np.int32),
    block_table=np.zeros((0, 0), dtype=np.int32),
    block_size=1,
)


class TritonStep:
    """What the kernels of a step read, in tensors that `fill` overwrites in place.

    A step has room for `num_tokens` tokens of `num_seqs` sequences with `num_blocks` blocks each,
    and a launch depends on nothing but those sizes, `max_query_len` and `max_seq_len`. So a graph
    captured with a step replays any layout that fits into it: `fill`, then replay.

    What a layout leaves over is padding. A token without a sequence has id 0, position 0 and slot
    -1: nothing is cached for it, and its row of the result means nothing. A sequence without tokens
    has query length 0 and sequence length 0: no kernel does anything for it. A new step is all
    padding.
    """

    token_ids: Tensor
    """int64 [num_tokens]. May also be written on the device, behind `fill` on the same stream: a
    token that the step before sampled need not come from the host."""
    positions: Tensor
    """int64 [num_tokens]"""
    slot_mapping: Tensor
    """int64 [num_tokens]"""
    query_start: Tensor
    """int32 [num_seqs + 1]"""
    seq_lens: Tensor
    """int32 [num_seqs]"""
    block_table: Tensor
    """int32 [num_seqs, num_blocks]"""
    tile_tokens: Tensor
    tile_slots: Tensor
    adapters: tuple[Tensor, Tensor] | None = None
    """Tiles of tokens that share an adapter, and its slot: see `lora_tiles`. None in a step without
    room for adapters."""

    def __init__(
        self,
        device: torch.device,
        tables: Sequence[RotaryTable],
        *,
        num_tokens: int,
        num_seqs: int,
        num_blocks: int,
        max_query_len: int,
        max_seq_len: int,
        num_adapter_slots: int = 0,
    ) -> None:
        self.tables = tables
        self.max_query_len = max_query_len
        self.max_seq_len = max_seq_len
        self.num_tokens = num_tokens
        self.num_seqs = num_seqs
        self.block_table = torch.zeros(num_seqs, num_blocks, dtype=torch.int32, device=device)
        # One copy for all: the parts stand behind each other in one buffer, the block table last,
        # of which only as many columns travel as the longest sequence fills.
        self._num_adapter_slots = num_adapter_slots
        self._parts, self._table_start = _parts(num_tokens, num_seqs, num_adapter_slots)
        capacity = self._table_start + 4 * num_seqs * num_blocks
        self._packed = torch.empty(capacity, dtype=torch.uint8, device=device)
        self._pinned = device.type == "cuda"
        for name, (dtype, size, start) in self._parts.items():
            part = self._packed[start : start + size * dtype.itemsize].view(dtype)
            setattr(self, name, part)
        if num_adapter_slots:
            tiles = self.tile_tokens.view(-1, tile_rows(num_tokens))
            self.adapters = tiles, self.tile_slots
        self.fill(_EMPTY)

    def fill(
        self, layout: StepLayout, token_ids: npt.NDArray[np.int64] | None = None
    ) -> TritonStep:
        """Queues the copy of `layout` and `token_ids` [T] to the device; returns this step.

        Waits for nothing: the host's side of the copy is a fresh buffer each time, which lives
        until the device has read it. Without `token_ids` the ids become 0.

        Raises ValueError for a layout larger than this step.
        """
        num_tokens = len(layout.positions)
        num_seqs, num_blocks = layout.block_table.shape
        if (
            num_tokens > self.num_tokens
            or num_seqs > self.num_seqs
            or num_blocks > self.block_table.shape[1]
            or int(layout.query_lens.max(initial=0)) > self.max_query_len
            or int(layout.seq_lens.max(initial=0)) > self.max_seq_len
            or count_slots(layout) > self._num_adapter_slots
        ):
            raise ValueError(
                f"a step for {self.num_tokens} tokens of {self.num_seqs} sequences of up to "
                f"{self.max_seq_len} tokens, {self.max_query_len} of them new, in "
                f"{self.block_table.shape[1]} blocks, and {self._num_adapter_slots} adapter slots, "
                f"cannot hold {num_tokens} tokens of {num_seqs} "
                f"sequences in {num_blocks} blocks with {count_slots(layout)} adapter slots"
            )
        size = self._table_start + 4 * num_seqs * num_blocks
        host = torch.empty(size, dtype=torch.uint8, pin_memory=self._pinned)
        parts = {
            name: host[start : start + length * dtype.itemsize].view(dtype).numpy()
            for name, (dtype, length, start) in self._parts.items()
        }
        _write(parts["token_ids"], 0 if token_ids is None else token_ids, num_tokens, 0)
        _write(parts["positions"], layout.positions, num_tokens, 0)
        _write(parts["slot_mapping"], layout.slot_mapping, num_tokens, _NOWHERE)
        _write(parts["query_start"], layout.query_start, num_seqs + 1, num_tokens)
        _write(parts["seq_lens"], layout.seq_lens, num_seqs, 0)
        if self.adapters is not None:
            tiles = lora_tiles(token_slots(layout), self.num_tokens, self._num_adapter_slots)
            parts["tile_tokens"][:], parts["tile_slots"][:] = tiles[0].ravel(), tiles[1]
        table = host[self._table_start :].view(torch.int32).view(num_seqs, num_blocks)
        table.numpy()[:] = layout.block_table
        self._packed[:size].copy_(host, non_blocking=True)
        arrived = self._packed[self._table_start : size].view(torch.int32)
        self.block_table[:num_seqs, :num_blocks].copy_(arrived.view(num_seqs, num_blocks))
        return self


def _parts(
    num_tokens: int, num_seqs: int, num_adapter_slots: int
) -> tuple[dict[str, tuple[torch.dtype, int, int]], int]:
    """Type, elements and first byte of each part of the buffer, and where the last one ends."""
    sizes = {
        "token_ids": (torch.int64, num_tokens),
        "positions": (torch.int64, num_tokens),
        "slot_mapping": (torch.int64, num_tokens),
        "query_start": (torch.int32, num_seqs + 1),
        "seq_lens": (torch.int32, num_seqs),
    }
    if num_adapter_slots:
        num_tiles = most_tiles(num_tokens, num_adapter_slots)
        sizes["tile_tokens"] = (torch.int32, num_tiles * tile_rows(num_tokens))
        sizes["tile_slots"] = (torch.int32, num_tiles)
    parts, start = {}, 0
    for name, (dtype, size) in sizes.items():
        parts[name] = (dtype, size, start)
        start += -(-size * dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
    return parts, start


def _write(
    part: npt.NDArray[np.int64] | npt.NDArray[np.int32],
    values: npt.NDArray[np.int64] | npt.NDArray[np.int32] | int,
    size: int,
    padding: int,
) -> None:
    part[:size] = values
    part[size:] = padding
