"""The seam between model code and the device it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rostra.mesh.ops.coded_weight import CodedWeight

Linear = Callable[[Tensor], Tensor]
"""Maps [T, in] to [T, out]."""

RotaryTable = tuple[Tensor, Tensor]
"""Cosine and sine by position, each float32 [P, R / 2]: the first R dimensions of a head are
rotated, halves of these R against each other, and the others are left as they are."""


class QKNorm(NamedTuple):
    """A root-mean-square norm of each head, before it is rotated.

    Both weights are [D], of the dtype of the heads or of float32.
    """

    query: Tensor
    key: Tensor
    eps: float


class AdapterWeights(NamedTuple):
    """Low-rank adapters (arXiv 2106.09685) of one linear map, or of several with the same input.

    Beyond the rank of an adapter its slot holds anything.
    """

    a: Tensor
    """[slots, maps, R, in]"""
    b: Tensor
    """[slots, R, out], turned and scaled; the maps' features stand side by side."""
    ranks: Tensor
    """int32 [slots], 0 where the adapter leaves these maps as they are."""
    outputs: tuple[int, ...]
    """Features of each map."""


@dataclass(frozen=True)
class StepLayout:
    """Which tokens of which sequences a step computes, and where their keys and values lie.

    The T tokens of the step stand in one row, sequence after sequence; S is the number of
    sequences. Everything here is on the host, so that choosing a launch waits for no device.
    """

    positions: npt.NDArray[np.int64]
    """[T], of each token in its sequence."""
    slot_mapping: npt.NDArray[np.int64]
    """[T], where each token is cached: block id * block_size + offset in the block."""
    query_start: npt.NDArray[np.int32]
    """[S + 1], the first token of each sequence in the row, and T."""
    seq_lens: npt.NDArray[np.int32]
    """[S], tokens in the context of each sequence, those of this step included."""
    block_table: npt.NDArray[np.int32]
    """[S, M], block ids of each sequence; what is beyond its length is any valid id."""
    block_size: int
    adapter_slots: npt.NDArray[np.int32] | None = None
    """[S], the slot of each sequence's adapter, -1 for none; None where no sequence has one."""

    @property
    def query_lens(self) -> npt.NDArray[np.int32]:
        return np.diff(self.query_start)


class Experts(Protocol):
    """The feed-forward layers of a mixture, of which each token takes a few."""

    def add(self, gate_up: Tensor | CodedWeight, down: Tensor | CodedWeight) -> None:
        """The weights of the next expert, [2 * I, H] with the gate's first, and [H, I], laid out
        once for many calls; codes as in `Ops.coded_linear`. Called once for each expert, before
        the first call."""
        ...

    def __call__(
        self, x: Tensor, router_logits: Tensor, *, top_k: int, renormalize: bool
    ) -> Tensor:
        """sum of factor * down(silu(gate(x)) * up(x)) over a token's experts: [T, H] -> [T, H].

        The experts are the `top_k` of the largest `router_logits` [T, E], of equal ones the first;
        the factors are the softmax over all of them in float32 (`renormalize`: divided by its sum
        over those chosen).
        """
        ...


class Ops(Protocol):
    """What a model computes with. Tensors are on the device of the implementation.

    `prepare` turns the layout of a step into whatever this implementation wants to have at hand in
    every layer; its result is passed back to `rope_and_cache` and `paged_attention` of that step.
    """

    def linear(self, weight: Tensor, bias: Tensor | None, *, sensitive: bool = False) -> Linear:
        """x -> x @ weight.T + bias, laid out once for many calls. `weight` is [out, in].

        Where the implementation quantises weights, a `sensitive` one, such as the output head,
        keeps at least eight bits.
        """
        ...

    def keeps(self, weight: CodedWeight) -> bool:
        """Whether `coded_linear` takes it: there is a kernel for a weight so stored."""
        ...

    def coded_linear(self, weight: CodedWeight, bias: Tensor | None) -> Linear:
        """As `linear`, for a weight that is kept as the checkpoint stores it."""
        ...

    def router(self, weight: Tensor) -> Linear:
        """x -> x @ weight.T, never quantised: a small error would send tokens to other experts."""
        ...

    def experts(self, num_experts: int) -> Experts:
        """Room for the weights of so many experts, quantised where those of linear maps are."""
        ...

    def prepare(self, layout: StepLayout, tables: Sequence[RotaryTable]) -> Any:
        """`tables`: those that layers choose from. The result has an attribute `adapters`, None
        where no token of the step has one."""
        ...

    def add_adapters(self, x: Tensor, out: Tensor, weights: AdapterWeights, step: Any) -> None:
        """Adds to each row of `out` [T, out] what its token's adapter makes of `x` [T, in].

        `step.adapters` is not None. All are of one dtype.
        """
        ...

    def rms_norm(
        self, x: Tensor, weight: Tensor, eps: float, residual: Tensor | None = None
    ) -> Tensor:
        """Root-mean-square norm of `x` [T, H] in float32 (Zhang and Sennrich, arXiv 1910.07467).

        `weight` [H] is of the dtype of `x` or float32: the norm is rounded to it, multiplied, and
        rounded to the dtype of `x`.
        With `residual` [T, H]: adds `x` to it in place first, and norms the sum.
        """
        ...

    def rope_and_cache(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        step: Any,
        *,
        table: int | None = 0,
        norm: QKNorm | None = None,
    ) -> None:
        """Norms `query` [T, Hq, D] and `key` [T, Hkv, D] and rotates them by one of the step's
        tables, both in float32, in place and if wanted, and writes key and value to the caches
        [N, B, Hkv, D]."""
        ...

    def paged_attention(
        self,
        query: Tensor,
        key_cache: Tensor,
        value_cache: Tensor,
        scale: float,
        step: Any,
        *,
        sliding_window: int | None = None,
        soft_cap: float | None = None,
    ) -> Tensor:
        """Causal attention of `query` [T, Hq, D] over each sequence's cache: [T, Hq, D].

        A query sees `sliding_window` positions, its own included. `soft_cap` is c of
        c * tanh(score / c), as in Gemma 2.
        """
        ...

    def silu_and_mul(self, gate_up: Tensor) -> Tensor:
        """silu of the first half times the second half: [T, 2 * I] -> [T, I]."""
        ...

    def gelu_and_mul(self, gate_up: Tensor) -> Tensor:
        """gelu of the first half, in its tanh approximation (arXiv 1606.08415), times the second
        half: [T, 2 * I] -> [T, I]."""
        ...
