"""What a model's parameters are read from, whatever the format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from rostra.mesh.ops.coded_weight import CodedWeight


class StoredWeights(Protocol):
    """The tensors of a checkpoint by the names they have where nothing is quantised.

    `rows` and `columns` are of the dequantised tensor, so a rank of a tensor-parallel group reads
    its own share only, however the codes are packed.
    """

    folder: Path

    def __contains__(self, name: str) -> bool: ...

    @property
    def names(self) -> Iterable[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def where(self, name: str) -> Path:
        """The file that holds the tensor."""
        ...

    def num_bytes(self, name: str) -> int:
        """Size in the files."""
        ...

    def check_dtype(self, name: str) -> None:
        """Raises RostraError for a tensor that holds no numbers which can be read."""
        ...

    def is_coded(self, name: str) -> bool:
        """Whether it is stored quantised."""
        ...

    def read(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        """A part of a tensor, on the CPU, dequantised if need be."""
        ...

    def read_coded(
        self, name: str, rows: slice, columns: slice | None = None
    ) -> CodedWeight | None:
        """The part as it is stored; None for a tensor that is not quantised."""
        ...
