"""Reads tensors, whole or in slices, from the safetensors files of a model folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from torch import Tensor

from rostra.mesh.errors import RostraError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_ITEM_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_REPAIR = "fetch the model again"


class Checkpoint:
    """The tensors of one or several safetensors files, by name.

    Files are mapped, so a slice costs the reading of its own bytes only. Use as a context manager.
    """

    def __init__(self, folder: Path) -> None:
        """Opens every file. Raises RostraError when one is absent, truncated or contradicts the
        index."""
        self.folder = folder
        self._stack = ExitStack()
        self._slices: dict[str, Any] = {}
        try:
            for path, names in _files(folder).items():
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
        self._slices.clear()
        self._stack.close()

    def __contains__(self, name: str) -> bool:
        return name in self._slices

    @property
    def names(self) -> Iterable[str]:
        return self._slices.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._slices[name].get_shape())

    def num_bytes(self, name: str) -> int:
        """Size in the file. Raises RostraError for a dtype that is no floating-point one."""
        dtype = self._slices[name].get_dtype()
        if dtype not in _ITEM_SIZES:
            raise RostraError(
                f"{self.folder}: tensor {name} has dtype {dtype}; supported are "
                + ", ".join(_ITEM_SIZES)
            )
        return math.prod(self.shape(name)) * _ITEM_SIZES[dtype]

    def read(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        """`rows` of the tensor's first dimension and `columns` of its second, on the CPU."""
        part = self._slices[name]
        try:
            return part[rows] if columns is None else part[rows, columns]
        except SafetensorError as error:
            raise RostraError(
                f"{self.folder}: tensor {name} cannot be read ({error}); {_REPAIR}"
            ) from None

    def _open(self, path: Path, names: frozenset[str] | None) -> None:
        try:
            file = self._stack.enter_context(safe_open(path, framework="pt", device="cpu"))
        except FileNotFoundError:
            raise RostraError(f"{path} is missing; {_REPAIR}") from None
        except (SafetensorError, OSError) as error:
            raise RostraError(f"{path} is damaged or truncated ({error}); {_REPAIR}") from None
        held = frozenset(file.keys())
        for name in sorted(names - held if names is not None else ()):
            raise RostraError(
                f"{path} lacks tensor {name}, which {INDEX_FILE} puts there; {_REPAIR}"
            )
        for name in names if names is not None else held:
            self._slices[name] = file.get_slice(name)


def _files(folder: Path) -> dict[Path, frozenset[str] | None]:
    """Which file holds which tensors; None: all that it has."""
    index = folder / INDEX_FILE
    if not index.is_file():
        if not (folder / SINGLE_FILE).is_file():
            raise RostraError(f"{folder} holds neither {SINGLE_FILE} nor {INDEX_FILE}")
        return {folder / SINGLE_FILE: None}
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names_of: dict[Path, set[str]] = {}
        for name, file_name in places.items():
            # A name that leaves the folder is no file of this model.
            if Path(file_name).name != file_name:
                raise RostraError(f"{index}: {file_name!r} is no plain file name")
            names_of.setdefault(folder / file_name, set()).add(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RostraError(f"{index} cannot be read ({error!r}); {_REPAIR}") from None
    return {path: frozenset(names) for path, names in names_of.items()}
