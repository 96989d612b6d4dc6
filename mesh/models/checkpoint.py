"""Reads tensors, whole or in slices, from the safetensors files of a model folder."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from torch import Tensor

from rostra.mesh.errors import RostraError
from rostra.mesh.ops.coded_weight import CodedWeight
from rostra.mesh.store.safetensors_files import (
    INDEX_FILE,
    REPAIR,
    TensorEntry,
    files_of,
    read_header,
)

_FLOATS = ("F64", "F32", "F16", "BF16")


class Checkpoint:
    """The tensors of one or several safetensors files, by name.

    Files are mapped, so a slice costs the reading of its own bytes only. Use as a context manager.
    """

    def __init__(self, folder: Path) -> None:
        """Opens every file. Raises RostraError when one is absent, truncated, damaged or
        contradicts the index."""
        self.folder = folder
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        self._paths: dict[str, Path] = {}
        self._entries: dict[str, TensorEntry] = {}
        try:
            for path, names in files_of(folder).items():
                self._open(path, names)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.clear()
        self._stack.close()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def names(self) -> Iterable[str]:
        return self._entries.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._entries[name].shape

    def dtype(self, name: str) -> str:
        """As the files call it, such as F16."""
        return self._entries[name].dtype

    def where(self, name: str) -> Path:
        """The file that holds the tensor."""
        return self._paths[name]

    def num_bytes(self, name: str) -> int:
        """Size in the file."""
        return self._entries[name].num_bytes

    def check_dtype(self, name: str) -> None:
        """Raises RostraError for a tensor that holds no floating-point numbers."""
        dtype = self.dtype(name)
        if dtype not in _FLOATS:
            raise RostraError(
                f"{self.where(name)}: tensor {name} has dtype {dtype}, and config.json does not "
                f"say how it is quantised; supported are {', '.join(_FLOATS)}"
            )

    def is_coded(self, name: str) -> bool:
        return False

    def read(
        self, name: str, rows: slice, columns: slice | None = None, *, matrix: int | None = None
    ) -> Tensor:
        """`rows` of the tensor's first dimension and `columns` of its second, on the CPU; or those
        of one `matrix` of a stack."""
        file = self._files[name]
        try:
            if not self.shape(name):
                return file.get_tensor(name)
            part = file.get_slice(name)
            within = (rows,) if columns is None else (rows, columns)
            return part[within] if matrix is None else part[(matrix, *within)]
        except SafetensorError as error:
            raise RostraError(
                f"{self.where(name)}: tensor {name} cannot be read ({error}); {REPAIR}"
            ) from None

    def read_coded(
        self, name: str, rows: slice, columns: slice | None = None
    ) -> CodedWeight | None:
        return None

    def _open(self, path: Path, names: frozenset[str] | None) -> None:
        entries = read_header(path)
        try:
            file = self._stack.enter_context(safe_open(path, framework="pt", device="cpu"))
        except (SafetensorError, OSError) as error:
            raise RostraError(f"{path} is damaged or truncated ({error}); {REPAIR}") from None
        for name in sorted(names - entries.keys() if names is not None else ()):
            raise RostraError(
                f"{path} lacks tensor {name}, which {INDEX_FILE} puts there; {REPAIR}"
            )
        for name in names if names is not None else entries:
            self._files[name] = file
            self._paths[name] = path
            self._entries[name] = entries[name]
