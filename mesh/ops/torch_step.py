"""The layout of a step as PyTorch's operations want to have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.ops.adapters import AdapterGroups, group_tokens
from rostra.mesh.ops.base import RotaryTable, StepLayout

_PADDING_RATIO = 0.75
"""Sequences share a batch when none is shorter than this share of the longest."""


@dataclass(frozen=True)
class DecodeGroup:
    """Sequences that see a similar number of positions, with one new token each."""

    rows: Tensor
    """int64 [s], of the step's tokens."""
    block_ids: Tensor
    """int64 [s * m]: for each sequence m blocks, the last of them being its own last ones."""
    mask: Tensor | None
    """[s, 1, 1, m * block_size], added to the scores; None where all of the blocks is seen."""
    unseen: Tensor | None
    """int64, slots of the gathered blocks that are not seen. Beyond the end of a sequence they were
    never written, or by one that is gone, so that they may hold a NaN, which no mask would hide."""


@dataclass(frozen=True)
class Prefill:
    """A sequence with several new tokens."""

    rows: slice
    block_ids: Tensor
    start: int
    """Position of its first new token."""


class TorchStep:
    slot_mapping: Tensor
    angles: Sequence[RotaryTable]
    """For each table float32 [T, 1, R]: the cosines, both halves, and the sines, negative in the
    first half."""
    prefill: Sequence[Prefill]
    adapters: AdapterGroups | None

    def __init__(
        self, layout: StepLayout, tables: Sequence[RotaryTable], dtype: torch.dtype
    ) -> None:
        positions = torch.from_numpy(layout.positions)
        self.slot_mapping = torch.from_numpy(layout.slot_mapping)
        self.angles = [_angles(cos[positions], sin[positions]) for cos, sin in tables]
        prefilling = np.flatnonzero(layout.query_lens > 1)
        self.prefill = [_prefill(layout, int(sequence)) for sequence in prefilling]
        self.adapters = group_tokens(layout)
        self._layout = layout
        self._dtype = dtype
        self._decode: dict[int | None, Sequence[DecodeGroup]] = {}

    def decode(self, window: int | None) -> Sequence[DecodeGroup]:
        """The sequences with one new token, where a token sees `window` positions."""
        if window not in self._decode:
            lengths = self._layout.seq_lens
            begins = np.zeros_like(lengths) if window is None else (lengths - window).clip(0)
            first_blocks = begins // self._layout.block_size
            spans = lengths - first_blocks * self._layout.block_size
            decoding = np.flatnonzero(self._layout.query_lens == 1)
            self._decode[window] = [
                self._group(members, begins[members], first_blocks[members], int(spans.max()))
                for members, spans in _by_length(decoding, spans)
            ]
        return self._decode[window]

    def _group(
        self, members: np.ndarray, begins: np.ndarray, first_blocks: np.ndarray, span: int
    ) -> DecodeGroup:
        layout = self._layout
        num_blocks = -(-span // layout.block_size)
        columns = first_blocks[:, None] + np.arange(num_blocks)
        # Behind the last block of a sequence, any one will do.
        columns = columns.clip(max=layout.block_table.shape[1] - 1)
        positions = np.arange(num_blocks * layout.block_size)
        positions = positions + first_blocks[:, None] * layout.block_size
        lengths = layout.seq_lens[members]
        hidden = (positions < begins[:, None]) | (positions >= lengths[:, None])
        mask = unseen = None
        if hidden.any():
            mask = torch.zeros(hidden.shape, dtype=self._dtype)
            mask = mask.masked_fill_(torch.from_numpy(hidden), -torch.inf)[:, None, None]
            unseen = torch.from_numpy(np.flatnonzero(hidden))
        block_ids = layout.block_table[members[:, None], columns].ravel().astype(np.int64)
        return DecodeGroup(
            rows=torch.from_numpy(layout.query_start[members].astype(np.int64)),
            block_ids=torch.from_numpy(block_ids),
            mask=mask,
            unseen=unseen,
        )


def _angles(cos: Tensor, sin: Tensor) -> RotaryTable:
    return torch.cat((cos, cos), -1).unsqueeze(1), torch.cat((-sin, sin), -1).unsqueeze(1)


def _by_length(sequences: np.ndarray, lengths: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits into groups whose members are padded to their longest at little cost; with the
    members' lengths."""
    groups: list[tuple[np.ndarray, np.ndarray]] = []
    rest = sequences[np.argsort(-lengths[sequences], kind="stable")]
    while rest.size:
        near = int((lengths[rest] >= _PADDING_RATIO * lengths[rest[0]]).sum())
        groups.append((rest[:near], lengths[rest[:near]]))
        rest = rest[near:]
    return groups


def _prefill(layout: StepLayout, sequence: int) -> Prefill:
    begin, end = (int(i) for i in layout.query_start[sequence : sequence + 2])
    length = int(layout.seq_lens[sequence])
    block_ids = layout.block_table[sequence, : -(-length // layout.block_size)]
    return Prefill(
        rows=slice(begin, end),
        block_ids=torch.from_numpy(block_ids.astype(np.int64)),
        start=length - (end - begin),
    )
