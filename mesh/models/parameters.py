"""Parameters that know which tensors of a checkpoint they are made of."""

from __future__ import annotations

import ctypes
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rostra.mesh.errors import RostraError
from rostra.mesh.models.stored import StoredWeights
from rostra.mesh.ops.coded_weight import CodedWeight

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes there are to read."""
Keeps = Callable[[CodedWeight], bool]
"""Whether there is a kernel for a weight as it is stored."""

_RETURN_EVERY = 64 << 20
"""Bytes read between two times that freed memory goes back to the system."""


@dataclass(frozen=True)
class Piece:
    """Part of a parameter that one tensor of the checkpoint fills.

    A parameter is its pieces laid one below the other. `rows` and `columns` choose what is read of
    the tensor, which is how a rank of a tensor-parallel group takes its share: it replaces the
    pieces of a parameter by narrower ones before anything is loaded.
    """

    name: str
    shape: tuple[int, ...]
    """Of the whole tensor in the checkpoint."""
    rows: slice
    columns: slice | None = None

    @classmethod
    def whole(cls, name: str, *shape: int) -> Piece:
        return cls(name, shape, slice(0, shape[0]))

    @property
    def part_shape(self) -> tuple[int, ...]:
        """Of what is read."""
        rows = len(range(*self.rows.indices(self.shape[0])))
        if self.columns is None:
            return (rows, *self.shape[1:])
        return (rows, len(range(*self.columns.indices(self.shape[1]))))

    def part_bytes(self, weights: StoredWeights) -> int:
        """Of what is read, in the file."""
        whole = weights.num_bytes(self.name)
        return whole * math.prod(self.part_shape) // math.prod(self.shape)


class Weight(nn.Parameter):
    """A parameter on the meta device until `load` reads its pieces."""

    pieces: tuple[Piece, ...]
    linear: bool

    def __new__(cls, pieces: Iterable[Piece], padding: int = 0, *, linear: bool = False) -> Weight:
        """`padding`: rows of zeros below the pieces. `linear`: it is that of a linear map, which
        may be multiplied as it is stored."""
        pieces = tuple(pieces)
        shapes = [piece.part_shape for piece in pieces]
        shape = (sum(rows for rows, *_ in shapes) + padding, *shapes[0][1:])
        empty = torch.empty(shape, device="meta")
        weight = super().__new__(cls, empty, requires_grad=False)
        weight.pieces = pieces
        weight.linear = linear
        return weight

    def load(
        self,
        weights: StoredWeights,
        device: torch.device,
        dtype: torch.dtype,
        keeps: Keeps | None = None,
    ) -> Tensor | CodedWeight:
        """A tensor of this parameter's shape, filled from `weights`; the codes where `keeps` says
        so. Raises RostraError where a value is not finite."""
        coded = self._load_coded(weights) if self.linear else None
        if coded is None:
            return self._load_plain(weights, device, dtype)
        if not coded.finite:
            raise self._not_finite(weights, dtype)
        if keeps is not None and keeps(coded):
            return coded.to(device)
        loaded = coded.dequantise(dtype)
        if not _holds_all(dtype, torch.float32) and not is_finite(loaded):
            raise self._not_finite(weights, dtype)
        return loaded.to(device)

    def _load_plain(
        self, weights: StoredWeights, device: torch.device, dtype: torch.dtype
    ) -> Tensor:
        loaded = torch.empty(self.shape, device=device, dtype=dtype)
        row = 0
        for piece in self.pieces:
            part = weights.read(piece.name, piece.rows, piece.columns)
            copied = loaded[row : row + part.shape[0]].copy_(part)
            # Whichever takes less reading.
            on_host = device.type == "cpu" and _holds_all(dtype, part.dtype)
            if not is_finite(part if on_host else copied):
                raise self._not_finite(weights, dtype)
            row += part.shape[0]
        loaded[row:].zero_()
        return loaded

    def _load_coded(self, weights: StoredWeights) -> CodedWeight | None:
        """None where pieces are not coded, or not in the same way."""
        parts = []
        for piece in self.pieces:
            part = weights.read_coded(piece.name, piece.rows, piece.columns)
            if part is None:
                return None
            parts.append(part)
        stacked = CodedWeight.stack(parts)
        return None if stacked is None else stacked.padded(self.shape[0])

    def _not_finite(self, weights: StoredWeights, dtype: torch.dtype) -> RostraError:
        for piece in self.pieces:
            part = weights.read(piece.name, piece.rows, piece.columns)
            kind = "NaN or infinite values"
            if is_finite(part):
                kind = f"values that {_name(dtype)} cannot hold"
            if not is_finite(part.to(dtype)):
                return RostraError(f"{weights.where(piece.name)}: tensor {piece.name} has {kind}")
        raise AssertionError("all values are finite")


def is_finite(tensor: Tensor) -> bool:
    """Whether all values are: one pass over them, which costs no more than copying them."""
    if not tensor.numel():
        return True
    return bool(torch.isfinite(torch.stack(torch.aminmax(tensor))).all())


def _holds_all(dtype: torch.dtype, source: torch.dtype) -> bool:
    """Whether no finite value of `source` is too large for `dtype`, but for rounding up."""
    return torch.finfo(dtype).max >= torch.finfo(source).max * (1 - 2**-8)


def load_parameters(
    model: nn.Module,
    weights: StoredWeights,
    device: torch.device,
    dtype: torch.dtype,
    ignored: Callable[[str], bool],
    progress: Progress | None = None,
    on_loaded: Callable[[nn.Module], None] | None = None,
    keeps: Keeps | None = None,
) -> None:
    """Loads every Weight of `model`. `ignored` names tensors that the model has no use for.

    `on_loaded` is called with each module as soon as its own weights are there, so that it can lay
    them out anew before the next ones take memory. A linear map's weight that is stored quantised
    becomes a CodedWeight where `keeps` says so, else it is dequantised.

    Raises RostraError when the checkpoint lacks a tensor, has one of another shape or type, has one
    that is neither used nor ignored, or has values that are not finite.
    """
    parameters = [
        (module, name, parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(parameter, Weight)
    ]
    pieces = [piece for _, _, parameter in parameters for piece in parameter.pieces]
    _check(weights, pieces, ignored)
    total = sum(piece.part_bytes(weights) for piece in pieces)
    missing = Counter(module for module, _, _ in parameters)
    stored: Counter[str] = Counter()
    done = returned = 0
    for module, name, parameter in parameters:
        loaded = parameter.load(weights, device, dtype, keeps)
        if isinstance(loaded, CodedWeight):
            stored["kept as stored"] += 1
            delattr(module, name)
            setattr(module, name, loaded)
        else:
            if weights.is_coded(parameter.pieces[0].name):
                stored[f"dequantised to {_name(dtype)}"] += 1
            setattr(module, name, nn.Parameter(loaded, requires_grad=False))
        del loaded
        missing[module] -= 1
        if on_loaded is not None and not missing[module]:
            on_loaded(module)
        done += sum(piece.part_bytes(weights) for piece in parameter.pieces)
        if done - returned >= _RETURN_EVERY or done == total:
            _return_free_memory()
            returned = done
        if progress is not None:
            progress(done, total)
    if stored:
        fates = ", ".join(f"{count} {fate}" for fate, count in stored.items())
        log.info("quantised weights: %s", fates)


def _return_free_memory() -> None:
    """To the system. What was read lay between weights as they were laid out anew: the C library
    keeps such gaps, which with many small weights come to most of a model's size."""
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _check(weights: StoredWeights, pieces: list[Piece], ignored: Callable[[str], bool]) -> None:
    needed = {piece.name: piece.shape for piece in pieces}
    _refuse(weights, "lacks", [name for name in needed if name not in weights])
    extra = [name for name in weights.names if name not in needed and not ignored(name)]
    _refuse(weights, "has, beyond what its config.json describes,", sorted(extra))
    for name, shape in needed.items():
        weights.check_dtype(name)
        if weights.shape(name) != shape:
            raise RostraError(
                f"{weights.where(name)}: tensor {name} has shape {list(weights.shape(name))}, "
                f"but config.json asks for {list(shape)}"
            )


def _refuse(weights: StoredWeights, verb: str, names: list[str]) -> None:
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        place = weights.where(names[0]) if names[0] in weights else weights.folder
        raise RostraError(f"{place}: the checkpoint {verb} tensor {names[0]}{others}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
