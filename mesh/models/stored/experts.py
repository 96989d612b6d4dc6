"""Checkpoints that keep the experts of a layer in two tensors, read as if each were on its own.

transformers computes with `mlp.experts.gate_up_proj` [E, 2 * I, H] and `mlp.experts.down_proj`
[E, H, I], and saves them so where it is not told to write the family's own format.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from rostra.mesh.errors import RostraError
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.stored.base import StoredWeights
from rostra.mesh.ops.coded_weight import CodedWeight

_GATE_UP = ".mlp.experts.gate_up_proj"
_DOWN = ".mlp.experts.down_proj"
_ROUTER = ".mlp.gate.weight"


class ExpertNames(NamedTuple):
    """How a family calls the parts: `block`.experts.0.`gate`.weight, and so on."""

    block: str
    gate: str
    up: str
    down: str


class _Place(NamedTuple):
    """Where a matrix lies in a tensor of the files."""

    name: str
    expert: int | None = None
    """None: the tensor is the matrix."""
    first_row: int = 0
    num_rows: int = 0


def unstacked(weights: StoredWeights, names: ExpertNames) -> StoredWeights:
    """`weights` with a tensor for each of an expert's matrices.

    Raises RostraError for stacks that do not have the shape of experts.
    """
    if isinstance(weights, Checkpoint) and any(name.endswith(_GATE_UP) for name in weights.names):
        return _Unstacked(weights, names)
    return weights


class _Unstacked:
    def __init__(self, checkpoint: Checkpoint, names: ExpertNames) -> None:
        self.folder = checkpoint.folder
        self._checkpoint = checkpoint
        self._places: dict[str, _Place] = {}
        for name in checkpoint.names:
            if name.endswith(_GATE_UP):
                block = name.removesuffix(_GATE_UP) + f".{names.block}"
                self._add(name, f"{block}.experts", (names.gate, names.up))
            elif name.endswith(_DOWN):
                block = name.removesuffix(_DOWN) + f".{names.block}"
                self._add(name, f"{block}.experts", (names.down,))
            elif name.endswith(_ROUTER):
                block = name.removesuffix(_ROUTER) + f".{names.block}"
                self._places[f"{block}.gate.weight"] = _Place(name)
            else:
                self._places[name] = _Place(name)

    def _add(self, name: str, prefix: str, parts: tuple[str, ...]) -> None:
        """The matrices of `parts`, one below the other, of each expert in the stack `name`."""
        shape = self._checkpoint.shape(name)
        if len(shape) != 3 or shape[1] % len(parts):
            raise RostraError(
                f"{self.folder}: tensor {name} has shape {list(shape)}, which is no stack of "
                f"experts with {' and '.join(parts)}"
            )
        rows = shape[1] // len(parts)
        for expert in range(shape[0]):
            for index, part in enumerate(parts):
                place = _Place(name, expert, index * rows, rows)
                self._places[f"{prefix}.{expert}.{part}.weight"] = place

    def __contains__(self, name: str) -> bool:
        return name in self._places

    @property
    def names(self) -> Iterable[str]:
        return self._places.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        place = self._places[name]
        shape = self._checkpoint.shape(place.name)
        return shape if place.expert is None else (place.num_rows, shape[2])

    def where(self, name: str) -> Path:
        return self._checkpoint.where(self._places[name].name)

    def num_bytes(self, name: str) -> int:
        place = self._places[name]
        whole = self._checkpoint.num_bytes(place.name)
        if place.expert is None:
            return whole
        count, rows, _ = self._checkpoint.shape(place.name)
        return whole // (count * rows) * place.num_rows

    def check_dtype(self, name: str) -> None:
        self._checkpoint.check_dtype(self._places[name].name)

    def is_coded(self, name: str) -> bool:
        return self._checkpoint.is_coded(self._places[name].name)

    def read(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        place = self._places[name]
        if place.expert is None:
            return self._checkpoint.read(place.name, rows, columns)
        start, stop, _ = rows.indices(place.num_rows)
        within = slice(place.first_row + start, place.first_row + stop)
        return self._checkpoint.read(place.name, within, columns, matrix=place.expert)

    def read_coded(
        self, name: str, rows: slice, columns: slice | None = None
    ) -> CodedWeight | None:
        return None
