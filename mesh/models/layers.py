"""The parts that decoders are put together from, each computing a rank's share of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from rostra.mesh.models.parallel import Parallel
from rostra.mesh.models.parameters import Piece, Weight
from rostra.mesh.ops import Linear, Ops
from rostra.mesh.ops.base import AdapterWeights
from rostra.mesh.ops.coded_weight import CodedWeight
from rostra.mesh.ops.lossless import in_16_bits


class Packed(nn.Module):
    """A module that lays its weights out anew as soon as they are loaded."""

    def pack(self) -> None:
        raise NotImplementedError


class Output(NamedTuple):
    """Rows of a weight in the checkpoint, and the features that they make."""

    name: str
    """Of the layer: the tensors are `name`.weight and `name`.bias."""
    features: int
    """Of the whole layer."""
    rows: slice
    """Those computed here."""

    @classmethod
    def whole(cls, name: str, features: int) -> Output:
        return cls(name, features, slice(0, features))


class Projection(Packed):
    """One matrix product, of the weight that `pieces` make up; `biases` make up its bias."""

    weight: Weight | CodedWeight | None
    bias: Weight | None

    def __init__(
        self,
        pieces: Sequence[Piece],
        biases: Sequence[Piece],
        ops: Ops,
        *,
        padding: int = 0,
        sensitive: bool = False,
    ) -> None:
        """`padding`: rows of zeros below the pieces. `sensitive` as in `Ops.linear`."""
        super().__init__()
        self.pieces = tuple(pieces)
        self.weight = Weight(pieces, padding, linear=True)
        self.bias = Weight(biases, padding) if biases else None
        self._ops = ops
        self._sensitive = sensitive
        self._apply_linear: Linear | None = None
        self.adapters: AdapterWeights | None = None

    def pack(self) -> None:
        """Hands the loaded weights to the operations, which may lay them out anew; they are let go
        here."""
        assert self.weight is not None
        if isinstance(self.weight, CodedWeight):
            self._apply_linear = self._ops.coded_linear(self.weight, self.bias)
        else:
            self._apply_linear = self._ops.linear(self.weight, self.bias, sensitive=self._sensitive)
        self.weight = self.bias = None

    def forward(self, x: Tensor, step: Any) -> Tensor:
        """[T, in_features] -> [T, features]. `step` is what `Ops.prepare` made."""
        assert self._apply_linear is not None
        out = self._apply_linear(x)
        if self.adapters is not None and step.adapters is not None:
            self._ops.add_adapters(x, out, self.adapters, step)
        return out


class ColumnProjection(Projection):
    """Several projections of the same input in one product; each rank makes some of the features
    (column-parallel in Megatron-LM's terms)."""

    def __init__(
        self,
        in_features: int,
        outputs: Sequence[Output],
        ops: Ops,
        *,
        bias: bool = False,
        padding: int = 0,
        sensitive: bool = False,
    ) -> None:
        super().__init__(
            [Piece(f"{o.name}.weight", (o.features, in_features), o.rows) for o in outputs],
            [Piece(f"{o.name}.bias", (o.features,), o.rows) for o in outputs] if bias else [],
            ops,
            padding=padding,
            sensitive=sensitive,
        )


class RowProjection(Projection):
    """Each rank takes some of the features in, and the results are summed (row-parallel)."""

    def __init__(
        self,
        name: str,
        in_features: int,
        out_features: int,
        ops: Ops,
        parallel: Parallel,
        *,
        bias: bool = False,
    ) -> None:
        alone = parallel.size == 1
        columns = None if alone else parallel.share(in_features, f"features of {name}")
        shape = (out_features, in_features)
        super().__init__(
            [Piece(f"{name}.weight", shape, slice(0, out_features), columns)],
            [Piece.whole(f"{name}.bias", out_features)] if bias else [],
            ops,
        )
        self._parallel = parallel

    def pack(self) -> None:
        if self._parallel.rank > 0:  # or the sum would have it several times
            self.bias = None
        super().pack()

    def forward(self, x: Tensor, step: Any) -> Tensor:
        return self._parallel.all_reduce(super().forward(x, step))


class Embedding(Packed):
    """A vector for each token id; each rank has those of a part of the vocabulary.

    The parts are of equal size: rows of zeros fill up the last ones.
    """

    weight: nn.Parameter

    def __init__(self, name: str, vocab_size: int, hidden_size: int, parallel: Parallel) -> None:
        super().__init__()
        rows, padding = vocabulary_share(vocab_size, parallel)
        self.weight = Weight([Piece(name, (vocab_size, hidden_size), rows)], padding)
        self._first = rows.start
        self._parallel = parallel
        self._dtype: torch.dtype | None = None

    def pack(self) -> None:
        """The table stays as it is: an output head may be made of it before `compact`."""

    def compact(self) -> None:
        """Keeps the loaded table in 16 bits where that loses nothing."""
        self._dtype = self.weight.dtype
        self.weight = nn.Parameter(in_16_bits(self.weight.data), requires_grad=False)

    def forward(self, token_ids: Tensor) -> Tensor:
        """int64 [T] -> [T, hidden_size], in the dtype that the table was loaded in."""
        if self._parallel.size == 1:
            return functional.embedding(token_ids, self.weight).to(self._dtype)
        here = token_ids - self._first
        elsewhere = (here < 0) | (here >= self.weight.shape[0])
        rows = functional.embedding(here.masked_fill(elsewhere, 0), self.weight).to(self._dtype)
        return self._parallel.all_reduce(rows.masked_fill_(elsewhere.unsqueeze(1), 0))


class RMSNorm(Packed):
    """Norm of a vector, or of its sum with a residual that takes in the sum."""

    weight: nn.Parameter

    def __init__(
        self, name: str, hidden_size: int, eps: float, ops: Ops, *, offset: float = 0.0
    ) -> None:
        """`offset` is added to the weights, in float32 and before they are used, as Gemma does."""
        super().__init__()
        self.weight = Weight([Piece.whole(name, hidden_size)])
        self.eps = eps
        self._offset = offset
        self._ops = ops

    def pack(self) -> None:
        if self._offset:
            weight = self.weight.float() + self._offset
            self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return self._ops.rms_norm(x, self.weight, self.eps, residual)


def vocabulary_share(vocab_size: int, parallel: Parallel) -> tuple[slice, int]:
    """Rows of this rank, and how many more it has that stand for no token."""
    each = -(-vocab_size // parallel.size)
    first = min(parallel.rank * each, vocab_size)
    last = min(first + each, vocab_size)
    return slice(first, last), each - (last - first)
