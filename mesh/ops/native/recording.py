"""Steps of a CPU as recordings: what CUDA graphs are to a GPU.

Between two compiled kernels of a small model Python takes as long as the kernels themselves. A
recording runs a piece of work once, notes which kernels and which of PyTorch's operations it calls
with which tensors, and then repeats just those, the kernels in one call of C.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_NUMBERS = {
    "rostra_rms_norm": 0,
    "rostra_silu_and_mul": 1,
    "rostra_rope_and_cache": 2,
    "rostra_paged_attention": 3,
    "rostra_matmul_float": 4,
    "rostra_matmul_integer": 5,
    "rostra_lora": 10,
    "rostra_gelu_and_mul": 6,
}
"""Of the kernels, as in replay.cpp."""
_WORDS = 22
"""Of a call: the kernel's number and its arguments."""
_ALLOCATIONS = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
_CHUNK = 1 << 22
_ALIGNMENT = 64

_current: Recording | None = None


class Kernel:
    """A compiled kernel that a recording in progress takes note of."""

    def __init__(self, kernels: ctypes.CDLL, name: str) -> None:
        self._function = getattr(kernels, name)
        self._number = _NUMBERS[name]

    def __call__(self, *arguments: int | float | None) -> None:
        self._function(*arguments)
        if _current is not None:
            _current.add(self._number, arguments)


class Arena:
    """Memory of the tensors that recordings make. Only one recording runs at a time, and what it
    leaves behind nobody reads, so all use the same."""

    def __init__(self) -> None:
        self._chunks: list[Tensor] = []
        self._chunk = 0
        self._used = 0

    def rewind(self) -> None:
        self._chunk = self._used = 0

    def take(self, like: Tensor) -> Tensor:
        """A tensor of the shape and type of `like`, contiguous, with any content."""
        size = math.prod(like.shape) * like.element_size()
        while True:
            if self._chunk == len(self._chunks):
                self._chunks.append(torch.empty(max(size, _CHUNK), dtype=torch.uint8))
            chunk = self._chunks[self._chunk]
            if self._used + size <= chunk.shape[0]:
                break
            self._chunk, self._used = self._chunk + 1, 0
        start = self._used
        self._used += -(-size // _ALIGNMENT) * _ALIGNMENT
        return chunk[start : start + size].view(like.dtype).view(like.shape)


class Recording(TorchDispatchMode):
    """Notes what happens while it is entered; `replay` does it again.

    The same tensors are read and written, so their content may change in between and their
    addresses may not: all are kept. Raises RuntimeError for an operation whose result is no tensor,
    since what the program made of it cannot be known.
    """

    def __init__(self, kernels: ctypes.CDLL, arena: Arena) -> None:
        super().__init__()
        self._replay = kernels.rostra_replay
        self._replay.argtypes, self._replay.restype = (ctypes.c_void_p, ctypes.c_int64), None
        self._arena = arena
        self._kept: list[Any] = []
        self._steps: list[Callable[[], object]] = []
        self._calls: list[list[int]] = []

    def __enter__(self) -> Recording:
        global _current  # noqa: PLW0603 - kernels ask for it at every call
        self._arena.rewind()
        super().__enter__()
        _current = self
        return self

    def __exit__(self, *error: Any) -> None:
        global _current  # noqa: PLW0603 - as above
        _current = None
        super().__exit__(*error)
        self._end_calls()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to be skipped, PyTorch would first load its compiler, for seconds and while a request
        waits, and leave a folder of its own among the temporary ones."""
        return False

    def add(self, number: int, arguments: tuple[int | float | None, ...]) -> None:
        words = [_word(argument) for argument in arguments]
        self._calls.append([number, *words, *[0] * (_WORDS - 1 - len(words))])

    def keep(self, needed: object) -> None:
        self._kept.append(needed)

    def replay(self) -> None:
        for step in self._steps:
            step()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        made = list(result) if isinstance(result, list | tuple) else [result]
        if not all(isinstance(tensor, Tensor) for tensor in made):
            raise RuntimeError(f"a step that calls {func} cannot be recorded")
        if func.overloadpacket.__name__ in _ALLOCATIONS:
            result = self._arena.take(result)
        elif func._schema.is_mutable:
            self._add_step(lambda: func(*args, **kwargs))
        elif not _addresses(made) <= _addresses(args):
            self._add_step(lambda: _copy(func(*args, **kwargs), made))
        # Else views: they show what is there.
        self._kept.append(result)
        return result

    def _add_step(self, step: Callable[[], object]) -> None:
        self._end_calls()
        self._steps.append(step)

    def _end_calls(self) -> None:
        if self._calls:
            calls = np.array(self._calls, np.int64)
            address, count = calls.ctypes.data, len(self._calls)
            self._kept.append(calls)
            self._steps.append(lambda: self._replay(address, count))
            self._calls = []


class HostCapture:
    """Records work, and returns what does it again; see `rostra.mesh.engine.graphs.Capture`."""

    def __init__(self, kernels: ctypes.CDLL) -> None:
        self._kernels = kernels
        self._arena = Arena()

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        with Recording(self._kernels, self._arena) as recording:
            work()
        # What the work alone refers to, such as the layout of its step, has to stay as well.
        recording.keep(work)
        return recording.replay


def _addresses(values: Iterable[Any]) -> set[int]:
    """Of the memory behind the tensors among `values`."""
    return {value.untyped_storage().data_ptr() for value in values if isinstance(value, Tensor)}


def _copy(result: Any, made: list[Tensor]) -> None:
    found = result if isinstance(result, list | tuple) else [result]
    for tensor, again in zip(made, found, strict=True):
        tensor.copy_(again)


def _word(argument: int | float | None) -> int:
    if argument is None:
        return 0
    if isinstance(argument, float):
        return int(struct.unpack("<I", struct.pack("<f", argument))[0])
    return argument
