"""A checkpoint some of whose tensors are stored as codes with scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from rostra.mesh.errors import RostraError
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.ops.coded_weight import CodedWeight


class CodedLayer(ABC):
    """One layer's weight as a format stores it: `parts` are its tensors in the checkpoint."""

    def __init__(self, checkpoint: Checkpoint, layer: str, parts: Iterable[str]) -> None:
        self.checkpoint = checkpoint
        self.layer = layer
        self.parts = tuple(f"{layer}.{part}" for part in parts)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """[out, in] of the weight."""

    @abstractmethod
    def check(self) -> None:
        """Raises RostraError where the tensors do not fit each other."""

    @abstractmethod
    def read(self, rows: slice, columns: slice) -> CodedWeight:
        """A part of the weight. Both slices are within it."""

    def part(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        return self.checkpoint.read(f"{self.layer}.{name}", rows, columns)

    def whole(self, name: str) -> Tensor:
        return self.part(name, slice(None))

    def part_shape(self, name: str) -> tuple[int, ...]:
        return self.checkpoint.shape(f"{self.layer}.{name}")

    def error(self, name: str, problem: str) -> RostraError:
        """About one of the layer's tensors."""
        full = f"{self.layer}.{name}"
        return RostraError(f"{self.checkpoint.where(full)}: tensor {full} {problem}")

    def has(self, name: str) -> bool:
        return f"{self.layer}.{name}" in self.checkpoint

    def require(self, name: str, shape: tuple[int, ...], *dtypes: str) -> None:
        """Raises RostraError unless the layer has the tensor in this shape and one of `dtypes`."""
        full = f"{self.layer}.{name}"
        if full not in self.checkpoint:
            raise RostraError(
                f"{self.checkpoint.folder}: the checkpoint lacks tensor {full}, which the codes of "
                f"{self.layer}.weight need"
            )
        if self.checkpoint.shape(full) != shape:
            found = list(self.checkpoint.shape(full))
            raise self.error(name, f"has shape {found}, but its codes need {list(shape)}")
        self.require_dtype(name, *dtypes)

    def require_dtype(self, name: str, *dtypes: str) -> None:
        dtype = self.checkpoint.dtype(f"{self.layer}.{name}")
        if dtype not in dtypes:
            raise self.error(name, f"has dtype {dtype}, not {' or '.join(dtypes)}")


FLOATS = ("F16", "BF16", "F32")
"""What scales may be stored in."""


class QuantisedCheckpoint:
    """`StoredWeights` where `layers` are quantised and the other tensors are plain.

    `ignored_suffixes` are those of tensors that say how activations or caches were quantised.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        layers: Iterable[CodedLayer],
        ignored_suffixes: tuple[str, ...] = (),
    ) -> None:
        self.folder = checkpoint.folder
        self._checkpoint = checkpoint
        self._layers = {f"{layer.layer}.weight": layer for layer in layers}
        for layer in self._layers.values():
            layer.check()
        packed = frozenset(part for layer in self._layers.values() for part in layer.parts)
        self._plain = frozenset(
            name
            for name in checkpoint.names
            if name not in packed and not name.endswith(ignored_suffixes)
        )

    def __contains__(self, name: str) -> bool:
        return name in self._layers or name in self._plain

    @property
    def names(self) -> Iterable[str]:
        return self._layers.keys() | self._plain

    def shape(self, name: str) -> tuple[int, ...]:
        layer = self._layers.get(name)
        return self._checkpoint.shape(name) if layer is None else layer.shape

    def where(self, name: str) -> Path:
        layer = self._layers.get(name)
        return self._checkpoint.where(name if layer is None else layer.parts[0])

    def num_bytes(self, name: str) -> int:
        layer = self._layers.get(name)
        parts = (name,) if layer is None else layer.parts
        return sum(self._checkpoint.num_bytes(part) for part in parts)

    def check_dtype(self, name: str) -> None:
        if name not in self._layers:
            self._checkpoint.check_dtype(name)

    def is_coded(self, name: str) -> bool:
        return name in self._layers

    def read(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        coded = self.read_coded(name, rows, columns)
        if coded is None:
            return self._checkpoint.read(name, rows, columns)
        return coded.dequantise(torch.float32)

    def read_coded(
        self, name: str, rows: slice, columns: slice | None = None
    ) -> CodedWeight | None:
        layer = self._layers.get(name)
        if layer is None:
            return None
        out_features, in_features = layer.shape
        return layer.read(
            slice(*rows.indices(out_features)[:2]),
            slice(*(columns or slice(None)).indices(in_features)[:2]),
        )


def group_span(groups: Tensor) -> tuple[slice, Tensor]:
    """The groups that columns belong to, as a slice to read, and the columns' places in it."""
    if not len(groups):
        return slice(0, 0), groups
    first = int(groups.min())
    return slice(first, int(groups.max()) + 1), groups - first
