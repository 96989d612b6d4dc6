"""The layout of a step as the compiled kernels read it, at addresses that a recording can keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rostra.mesh.ops.adapters import NO_ADAPTER, token_slots
from rostra.mesh.ops.base import RotaryTable, StepLayout


class NativeStep:
    """Room for `num_tokens` tokens of `num_seqs` sequences with `num_blocks` blocks each, which
    `fill` overwrites in place."""

    token_ids: Tensor
    """int64 [num_tokens]"""
    address: int
    """Of the C structure: see native/step.h."""
    adapters: int | None
    """Address of the slot of each token's adapter, int32; None where none has one."""

    def __init__(
        self,
        tables: Sequence[RotaryTable],
        num_tokens: int,
        num_seqs: int,
        num_blocks: int,
        *,
        with_adapters: bool = False,
    ) -> None:
        self._ids = np.zeros(num_tokens, np.int64)
        self.token_ids = torch.from_numpy(self._ids)
        self._positions = np.zeros(num_tokens, np.int64)
        self._slot_mapping = np.zeros(num_tokens, np.int64)
        self._query_start = np.zeros(num_seqs + 1, np.int32)
        self._seq_lens = np.zeros(num_seqs, np.int32)
        self._block_table = np.zeros((num_seqs, num_blocks), np.int32)
        self._kept = list(tables)
        self._tables = np.array(
            [[cos.data_ptr(), sin.data_ptr(), cos.shape[1]] for cos, sin in tables], np.int64
        )
        arrays = (
            self._positions,
            self._slot_mapping,
            self._query_start,
            self._seq_lens,
            self._block_table,
        )
        self._fields = np.array(
            [
                self._tables.ctypes.data,
                *(array.ctypes.data for array in arrays),
                num_blocks,
                *(0, 0, 1),
            ],
            np.int64,
        )
        self.address = self._fields.ctypes.data
        self._adapter_slots = np.full(num_tokens, NO_ADAPTER, np.int32)
        self.adapters = self._adapter_slots.ctypes.data if with_adapters else None

    def fill(
        self, layout: StepLayout, token_ids: npt.NDArray[np.int64] | None = None
    ) -> NativeStep:
        """Copies `layout` and `token_ids` [T] in; returns this step.

        Without `token_ids` the ids stay as they are.
        """
        num_tokens = len(layout.positions)
        num_seqs, num_blocks = layout.block_table.shape
        if token_ids is not None:
            self._ids[:num_tokens] = token_ids
        self._positions[:num_tokens] = layout.positions
        self._slot_mapping[:num_tokens] = layout.slot_mapping
        self._query_start[: num_seqs + 1] = layout.query_start
        self._seq_lens[:num_seqs] = layout.seq_lens
        self._block_table[:num_seqs, :num_blocks] = layout.block_table
        self._fields[-3:] = num_tokens, num_seqs, layout.block_size
        if self.adapters is not None:
            self._adapter_slots.fill(NO_ADAPTER)
            self._adapter_slots[:num_tokens] = token_slots(layout)
        return self
