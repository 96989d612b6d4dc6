"""Low-rank adapters on a CPU: each token's own, in one call for all tokens of a step."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rostra.mesh.ops.base import AdapterWeights, StepLayout
from rostra.mesh.ops.native.recording import Kernel

NO_ADAPTER = -1
_INTEGER, _ADDRESS = ctypes.c_int64, ctypes.c_void_p

AdapterGroups = Sequence[tuple[int, Tensor]]
"""Slots, and the tokens that theirs are, int64."""


def token_slots(layout: StepLayout) -> npt.NDArray[np.int32]:
    """int32 [T]: the slot of each token's adapter, NO_ADAPTER for none."""
    if layout.adapter_slots is None:
        return np.full(len(layout.positions), NO_ADAPTER, np.int32)
    return layout.adapter_slots.repeat(layout.query_lens)


def count_slots(layout: StepLayout) -> int:
    """How many slots there must be for all in use to be among them."""
    return 0 if layout.adapter_slots is None else int(layout.adapter_slots.max()) + 1


def group_tokens(layout: StepLayout) -> AdapterGroups | None:
    """None where no token has an adapter."""
    if layout.adapter_slots is None:
        return None
    slots = token_slots(layout)
    return [
        (int(slot), torch.from_numpy(np.flatnonzero(slots == slot)))
        for slot in np.unique(slots)
        if slot != NO_ADAPTER
    ]


def add_by_groups(x: Tensor, out: Tensor, weights: AdapterWeights, groups: AdapterGroups) -> None:
    """`Ops.add_adapters` as PyTorch's own products, two for each adapter and projection."""
    for slot, tokens in groups:
        rank = int(weights.ranks[slot])
        if not rank:
            continue
        inputs, added, start = x[tokens], [], 0
        for output, size in enumerate(weights.outputs):
            hidden = inputs @ weights.a[slot, output, :rank].T
            added.append(hidden @ weights.b[slot, :rank, start : start + size])
            start += size
        out.index_add_(0, tokens, torch.cat(added, dim=1))


class NativeAdapters:
    """`Ops.add_adapters` as one compiled kernel: see native/lora.cpp."""

    def __init__(self, kernels: ctypes.CDLL) -> None:
        kernels.rostra_lora.argtypes = (
            *(_INTEGER, _INTEGER, _ADDRESS, _ADDRESS, _INTEGER),
            *(_ADDRESS, _ADDRESS, _ADDRESS, _INTEGER, _INTEGER, _INTEGER, _ADDRESS),
            *(_ADDRESS, _INTEGER),
        )
        kernels.rostra_lora.restype = None
        self._add = Kernel(kernels, "rostra_lora")
        self._ends: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}

    def __call__(
        self, dtype: int, x: Tensor, out: Tensor, weights: AdapterWeights, slots: int
    ) -> None:
        """`dtype` is the kernels' number for that of all tensors, `slots` the address of an int32
        for each token. `weights` are contiguous, `x` and `out` in their last dimension."""
        _, num_outputs, max_rank, depth = weights.a.shape
        self._add(
            dtype,
            x.shape[0],
            slots,
            x.data_ptr(),
            x.stride(0),
            weights.a.data_ptr(),
            weights.b.data_ptr(),
            weights.ranks.data_ptr(),
            max_rank,
            depth,
            num_outputs,
            self._ends_of(weights.outputs).ctypes.data,
            out.data_ptr(),
            out.stride(0),
        )

    def _ends_of(self, outputs: tuple[int, ...]) -> npt.NDArray[np.int64]:
        # Kept, since a recording holds the address.
        return self._ends.setdefault(outputs, np.cumsum(outputs, dtype=np.int64))
