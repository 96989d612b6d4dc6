"""What the engine asks of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from rostra.mesh.models.config import ModelConfig
from rostra.mesh.ops import StepLayout

LayerCache = tuple[Tensor, Tensor]
"""Keys and values of one layer, each [num_blocks, block_size, Hkv, D]."""


class Model(Protocol):
    """A decoder with its weights, or the part of one that a tensor-parallel rank has."""

    config: ModelConfig

    @property
    def dtype(self) -> torch.dtype:
        """Of computing; linear maps may be quantised."""
        ...

    @property
    def num_kv_heads(self) -> int:
        """Of each layer, on this rank."""
        ...

    @property
    def recordable(self) -> bool:
        """Whether a CPU may record a decode step and replay it: it does the same operations each
        time, none of which another process takes part in."""
        ...

    @property
    def capturable(self) -> bool:
        """Whether a GPU may capture a decode step as a CUDA graph: nothing in it waits for the host
        or depends on what the host knows."""
        ...

    def step_buffers(self, **sizes: int) -> Any:
        """The inputs of a step of these sizes at addresses that a graph can keep; a call takes them
        in place of a layout. Where the operations have such: see `TritonOps.buffers`."""
        ...

    def __call__(
        self, token_ids: Tensor, layout: StepLayout | Any, caches: Sequence[LayerCache]
    ) -> Tensor:
        """Last hidden states [T, hidden_size] of `token_ids`, int64 [T], laid out by `layout`.

        Writes their keys and values to `caches`, one for each layer. `layout` may be what
        `step_buffers` made.
        """
        ...

    def logits(self, hidden: Tensor, out: Tensor | None = None) -> Tensor:
        """float32 [n, vocab_size] of hidden states [n, hidden_size]; in `out` where it is given.

        On a rank other than 0 the content means nothing.
        """
        ...
