"""Checkpoints of a model without its head, read as if they had been saved with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from rostra.mesh.models.stored.base import StoredWeights
from rostra.mesh.ops.coded_weight import CodedWeight


def prefixed(weights: StoredWeights, prefix: str) -> StoredWeights:
    """`weights`, with `prefix` before every name unless some have it already."""
    if any(name.startswith(prefix) for name in weights.names):
        return weights
    return _Prefixed(weights, prefix)


class _Prefixed:
    def __init__(self, weights: StoredWeights, prefix: str) -> None:
        self.folder: Path = weights.folder
        self._weights = weights
        self._prefix = prefix

    def __contains__(self, name: str) -> bool:
        return name.startswith(self._prefix) and self._inner(name) in self._weights

    @property
    def names(self) -> Iterable[str]:
        return [self._prefix + name for name in self._weights.names]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._weights.shape(self._inner(name))

    def where(self, name: str) -> Path:
        return self._weights.where(self._inner(name))

    def num_bytes(self, name: str) -> int:
        return self._weights.num_bytes(self._inner(name))

    def check_dtype(self, name: str) -> None:
        self._weights.check_dtype(self._inner(name))

    def is_coded(self, name: str) -> bool:
        return self._weights.is_coded(self._inner(name))

    def read(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        return self._weights.read(self._inner(name), rows, columns)

    def read_coded(
        self, name: str, rows: slice, columns: slice | None = None
    ) -> CodedWeight | None:
        return self._weights.read_coded(self._inner(name), rows, columns)

    def _inner(self, name: str) -> str:
        return name.removeprefix(self._prefix)
