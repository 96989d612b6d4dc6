"""Parameters that know which tensors of a checkpoint they are made of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rostra.mesh.errors import RostraError
from rostra.mesh.models.checkpoint import Checkpoint

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes there are to read."""


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

    def part_bytes(self, checkpoint: Checkpoint) -> int:
        """Of what is read, in the file."""
        whole = checkpoint.num_bytes(self.name)
        return whole * math.prod(self.part_shape) // math.prod(self.shape)


class Weight(nn.Parameter):
    """A parameter on the meta device until `load` reads its pieces."""

    pieces: tuple[Piece, ...]

    def __new__(cls, pieces: Iterable[Piece], padding: int = 0) -> Weight:
        """`padding`: rows of zeros below the pieces."""
        pieces = tuple(pieces)
        shapes = [piece.part_shape for piece in pieces]
        shape = (sum(rows for rows, *_ in shapes) + padding, *shapes[0][1:])
        empty = torch.empty(shape, device="meta")
        weight = super().__new__(cls, empty, requires_grad=False)
        weight.pieces = pieces
        return weight

    def load(self, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Tensor:
        """A tensor of this parameter's shape, filled from `checkpoint`."""
        loaded = torch.empty(self.shape, device=device, dtype=dtype)
        row = 0
        for piece in self.pieces:
            part = checkpoint.read(piece.name, piece.rows, piece.columns)
            loaded[row : row + part.shape[0]].copy_(part)
            row += part.shape[0]
        loaded[row:].zero_()
        return loaded


def load_parameters(
    model: nn.Module,
    checkpoint: Checkpoint,
    device: torch.device,
    dtype: torch.dtype,
    ignored: Callable[[str], bool],
    progress: Progress | None = None,
    on_loaded: Callable[[nn.Module], None] | None = None,
) -> None:
    """Loads every Weight of `model`. `ignored` names tensors that the model has no use for.

    `on_loaded` is called with each module as soon as its own weights are there, so that it can lay
    them out anew before the next ones take memory.

    Raises RostraError when the checkpoint lacks a tensor, has one of another shape, or has one that
    is neither used nor ignored: any of these means that the config does not describe the weights.
    """
    weights = [
        (module, name, weight)
        for module in model.modules()
        for name, weight in module.named_parameters(recurse=False)
        if isinstance(weight, Weight)
    ]
    pieces = [piece for _, _, weight in weights for piece in weight.pieces]
    _check(checkpoint, pieces, ignored)
    total = sum(piece.part_bytes(checkpoint) for piece in pieces)
    missing = Counter(module for module, _, _ in weights)
    done = 0
    for module, name, weight in weights:
        loaded = weight.load(checkpoint, device, dtype)
        setattr(module, name, nn.Parameter(loaded, requires_grad=False))
        del loaded
        missing[module] -= 1
        if on_loaded is not None and not missing[module]:
            on_loaded(module)
        done += sum(piece.part_bytes(checkpoint) for piece in weight.pieces)
        if progress is not None:
            progress(done, total)


def _check(checkpoint: Checkpoint, pieces: list[Piece], ignored: Callable[[str], bool]) -> None:
    needed = {piece.name: piece.shape for piece in pieces}
    _refuse(checkpoint, "lacks", [name for name in needed if name not in checkpoint])
    extra = [name for name in checkpoint.names if name not in needed and not ignored(name)]
    _refuse(checkpoint, "has, beyond what its config.json describes,", sorted(extra))
    for name, shape in needed.items():
        if checkpoint.shape(name) != shape:
            raise RostraError(
                f"{checkpoint.folder}: tensor {name} has shape {list(checkpoint.shape(name))}, "
                f"but config.json asks for {list(shape)}"
            )


def _refuse(checkpoint: Checkpoint, verb: str, names: list[str]) -> None:
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise RostraError(f"{checkpoint.folder}: the checkpoint {verb} tensor {names[0]}{others}")
