"""The memory that resident adapters take beside a model's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor, nn

from rostra.mesh.adapters.reader import Adapter, LinearMap, Module
from rostra.mesh.errors import RostraError
from rostra.mesh.models.base import Model
from rostra.mesh.models.layers import Projection
from rostra.mesh.models.parameters import Piece
from rostra.mesh.ops.base import AdapterWeights

MOST_RANK = 256
_HEAD = "lm_head"


@dataclass(frozen=True)
class _Output:
    """One linear map of the checkpoint among those of a projection, and this rank's share of it."""

    name: str
    whole: LinearMap
    rows: Sequence[slice]
    columns: slice

    @classmethod
    def of(cls, name: str, pieces: Sequence[Piece]) -> _Output:
        # Pieces of one name are rows of one tensor: one map, with one A.
        out_features, in_features = pieces[0].shape
        columns = pieces[0].columns or slice(0, in_features)
        return cls(
            name, LinearMap(in_features, out_features), [piece.rows for piece in pieces], columns
        )

    @property
    def features(self) -> int:
        return sum(rows.stop - rows.start for rows in self.rows)


@dataclass(frozen=True)
class _Part:
    """What an adapter puts into its slot of one projection, on the host."""

    a: Tensor
    """[maps, rank, in]"""
    b: Tensor
    """[rank, out]"""


@dataclass(frozen=True)
class PreparedAdapter:
    """An adapter that was read and checked, and can be copied into a slot."""

    folder: Path
    revision: str
    rank: int
    parts: Sequence[_Part | None]
    """By projection."""


class _ProjectionSlots:
    """The slots of one projection."""

    def __init__(
        self,
        projection: Projection,
        num_slots: int,
        max_rank: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        names = groupby(projection.pieces, lambda piece: piece.name.removesuffix(".weight"))
        self.outputs = [_Output.of(name, list(pieces)) for name, pieces in names]
        depth = self.outputs[0].columns.stop - self.outputs[0].columns.start
        sizes = tuple(output.features for output in self.outputs)
        # Not zeros: on a host, memory that nobody has written to is not taken yet.
        self.weights = projection.adapters = AdapterWeights(
            a=torch.empty(num_slots, len(sizes), max_rank, depth, dtype=dtype, device=device),
            b=torch.empty(num_slots, max_rank, sum(sizes), dtype=dtype, device=device),
            ranks=torch.zeros(num_slots, dtype=torch.int32, device=device),
            outputs=sizes,
        )

    def prepare(self, modules: dict[str, Module]) -> _Part | None:
        """None where the adapter leaves all of these maps as they are."""
        given = [modules.get(output.name) for output in self.outputs]
        rank = max(module.rank if module is not None else 0 for module in given)
        if not rank:
            return None
        _, num_maps, max_rank, depth = self.weights.a.shape
        padded = min(1 << (rank - 1).bit_length(), max_rank)
        part = _Part(
            a=torch.zeros(num_maps, padded, depth, dtype=self.weights.a.dtype),
            b=torch.zeros(padded, sum(self.weights.outputs), dtype=self.weights.b.dtype),
        )
        start = 0
        for index, (output, module) in enumerate(zip(self.outputs, given, strict=True)):
            end = start + output.features
            if module is not None:
                a, b = module.read()
                share = torch.cat([b[rows] for rows in output.rows])
                part.a[index, : module.rank] = a[:, output.columns]
                part.b[: module.rank, start:end] = share.T
            start = end
        return part

    def fill(self, slot: int, part: _Part | None) -> None:
        weights = self.weights
        if part is None:
            weights.ranks[slot] = 0
            return
        rank = len(part.b)
        weights.a[slot, :, :rank].copy_(part.a)
        weights.b[slot, :rank].copy_(part.b)
        weights.ranks[slot] = rank


class AdapterSlots:
    """Room for `num_slots` adapters of up to `max_rank` in every linear map of a model but its
    output head."""

    def __init__(
        self,
        model: Model,
        num_slots: int,
        max_rank: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Takes the memory. Raises RostraError for a model without linear maps that take adapters,
        and for a rank beyond the kernels'."""
        if not 1 <= max_rank <= MOST_RANK:
            raise RostraError(
                f"--max-adapter-rank {max_rank} is out of range: choose 1 to {MOST_RANK}"
            )
        self.num_slots = num_slots
        self.max_rank = max_rank
        self._projections = [
            _ProjectionSlots(projection, num_slots, max_rank, device, dtype)
            for projection in _adaptable(model)
        ]
        if not self._projections:
            raise RostraError(
                "--max-adapters: adapters are not supported for this model's architecture"
            )
        self._maps = {
            output.name: output.whole
            for projection in self._projections
            for output in projection.outputs
        }

    @staticmethod
    def num_bytes(model: Model, num_slots: int, max_rank: int, dtype: torch.dtype) -> int:
        """What all slots take."""
        numbers = 0
        for projection in _adaptable(model):
            outputs = {piece.name for piece in projection.pieces}
            rows = sum(piece.part_shape[0] for piece in projection.pieces)
            numbers += len(outputs) * projection.pieces[0].part_shape[1] + rows
        return num_slots * max_rank * numbers * dtype.itemsize

    def prepare(self, folder: Path) -> PreparedAdapter:
        """Reads an adapter without touching any slot; for any thread.

        Raises RostraError, which names file and tensor, for one that cannot be served.
        """
        adapter = Adapter(folder, self._maps, self.max_rank)
        modules = {module.name: module for module in adapter}
        parts = [projection.prepare(modules) for projection in self._projections]
        return PreparedAdapter(folder, adapter.revision, adapter.rank, parts)

    @torch.inference_mode()
    def fill(self, slot: int, adapter: PreparedAdapter) -> None:
        """Copies the adapter in, behind what the device still has to do."""
        for projection, part in zip(self._projections, adapter.parts, strict=True):
            projection.fill(slot, part)


def _adaptable(model: Model) -> list[Projection]:
    return [
        module
        for module in (model.modules() if isinstance(model, nn.Module) else ())
        if isinstance(module, Projection) and module.pieces[0].name != f"{_HEAD}.weight"
    ]
