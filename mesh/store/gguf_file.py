"""A GGUF file, with its keys as typed values and its faults as clear lines."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from gguf import GGUFReader, ReaderTensor

from rostra.mesh.errors import RostraError

_Value = TypeVar("_Value", bound=bool | int | float | str | list[Any])


class GgufModel:
    """The keys and tensors of one file. Tensors are mapped, not read."""

    def __init__(self, path: Path) -> None:
        """Raises RostraError for a file that is no GGUF, is cut short, or is a part of one."""
        self.path = path
        try:
            self._reader = GGUFReader(path)
        except (OSError, ValueError, IndexError, KeyError, struct.error) as error:
            raise RostraError(
                f"{path} is cut short or no GGUF file ({error}); get it again."
            ) from error
        self.architecture = self.require("general.architecture", str)
        if (self.get("split.count", int) or 1) > 1:
            raise RostraError(
                f"{path} is one part of a model in several files; "
                "join them first with llama-gguf-split --merge."
            )

    @property
    def tensors(self) -> Sequence[ReaderTensor]:
        return self._reader.tensors

    @property
    def quantization(self) -> str:
        """The type in which most tensors with two dimensions are stored, such as `Q4_1`."""
        kinds = Counter(tensor.tensor_type.name for tensor in self.tensors if len(tensor.shape) > 1)
        return kinds.most_common(1)[0][0] if kinds else "F32"

    def get(self, key: str, kind: type[_Value]) -> _Value | None:
        """None where the key is absent. Raises RostraError where its value is of another kind."""
        field = self._reader.get_field(key)
        if field is None:
            return None
        try:
            value = field.contents()
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise RostraError(f"{self.path}: {key} cannot be read ({error}).") from error
        if kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, kind):
            raise RostraError(f"{self.path}: {key} is {value!r}, not of kind {kind.__name__}.")
        return value

    def require(self, key: str, kind: type[_Value]) -> _Value:
        """Raises RostraError where the key is absent."""
        value = self.get(key, kind)
        if value is None:
            raise RostraError(f"{self.path} lacks the key {key}; it cannot be converted.")
        return value

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Rows first, as safetensors have it; None for a tensor that is not there."""
        for tensor in self.tensors:
            if tensor.name == name:
                return shape_of(tensor)
        return None

    def factors(self, name: str) -> np.ndarray | None:
        """A small float32 tensor; None where it is not there."""
        for tensor in self.tensors:
            if tensor.name == name:
                return np.array(tensor.data, dtype=np.float32).reshape(-1)
        return None


def shape_of(tensor: ReaderTensor) -> tuple[int, ...]:
    """GGUF lists the dimension that varies fastest first, safetensors last."""
    return tuple(int(size) for size in reversed(tensor.shape))
