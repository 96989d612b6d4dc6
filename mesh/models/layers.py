"""The parts that dense decoders are put together from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rostra.mesh.models.parameters import Piece, Weight
from rostra.mesh.ops import Linear, Ops
from rostra.mesh.ops.lossless import in_16_bits


class Projection(nn.Module):
    """One matrix product for several projections of the same input.

    `outputs` gives, for each projection, its name in the checkpoint and its number of features.
    `sensitive` as in `Ops.linear`.
    """

    weight: Weight | None
    bias: Weight | None

    def __init__(
        self,
        in_features: int,
        outputs: Sequence[tuple[str, int]],
        bias: bool = False,
        *,
        sensitive: bool = False,
    ) -> None:
        super().__init__()
        self.weight = Weight(Piece.whole(f"{name}.weight", n, in_features) for name, n in outputs)
        self.bias = Weight(Piece.whole(f"{name}.bias", n) for name, n in outputs) if bias else None
        self._sensitive = sensitive
        self._apply_linear: Linear | None = None

    def pack(self, ops: Ops) -> None:
        """Hands the loaded weights to `ops`, which may lay them out anew; they are let go here."""
        assert self.weight is not None
        self._apply_linear = ops.linear(self.weight, self.bias, sensitive=self._sensitive)
        self.weight = self.bias = None

    def forward(self, x: Tensor) -> Tensor:
        """[T, in_features] -> [T, sum of the outputs' features]."""
        assert self._apply_linear is not None
        return self._apply_linear(x)


class Embedding(nn.Module):
    """A vector for each token id."""

    weight: nn.Parameter

    def __init__(self, name: str, vocab_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = Weight([Piece.whole(name, vocab_size, hidden_size)])
        self._dtype: torch.dtype | None = None

    def compact(self) -> None:
        """Keeps the loaded table in 16 bits where that loses nothing."""
        self._dtype = self.weight.dtype
        self.weight = nn.Parameter(in_16_bits(self.weight.data), requires_grad=False)

    def forward(self, token_ids: Tensor) -> Tensor:
        """int64 [T] -> [T, hidden_size], in the dtype that the table was loaded in."""
        return functional.embedding(token_ids, self.weight).to(self._dtype)


class RMSNorm(nn.Module):
    """Norm of a vector, or of its sum with a residual that takes in the sum."""

    weight: Weight

    def __init__(self, name: str, hidden_size: int, eps: float, ops: Ops) -> None:
        super().__init__()
        self.weight = Weight([Piece.whole(name, hidden_size)])
        self._eps = eps
        self._ops = ops

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return self._ops.rms_norm(x, self.weight, self._eps, residual)
