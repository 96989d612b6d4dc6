"""The memory that keys and values live in, and how much of it there may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.memory import in_gib
from rostra.mesh.errors import RostraError
from rostra.mesh.models import Model


@dataclass(frozen=True)
class KVCacheShape:
    """What one block takes."""

    num_layers: int
    block_size: int
    num_kv_heads: int
    head_dim: int
    dtype: torch.dtype

    @classmethod
    def of(cls, model: Model, block_size: int, dtype: torch.dtype) -> KVCacheShape:
        return cls(
            model.config.num_hidden_layers,
            block_size,
            model.num_kv_heads,
            model.config.head_dim,
            dtype,
        )

    @property
    def bytes_per_block(self) -> int:
        """Keys and values of all layers."""
        elements = self.num_layers * self.block_size * self.num_kv_heads * self.head_dim
        return 2 * elements * self.dtype.itemsize

    def describe(self, num_blocks: int) -> str:
        num_bytes = in_gib(num_blocks * self.bytes_per_block)
        return f"{num_blocks} blocks ({num_blocks * self.block_size} tokens, {num_bytes})"

    def blocks_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)


@dataclass(frozen=True)
class KVCache:
    """Keys and values of each layer, each [num_blocks, block_size, num_kv_heads, head_dim]."""

    layers: list[tuple[Tensor, Tensor]]

    @classmethod
    def allocate(cls, shape: KVCacheShape, num_blocks: int, device: torch.device) -> KVCache:
        size = (num_blocks, shape.block_size, shape.num_kv_heads, shape.head_dim)

        # Zeros, since masked slots are still multiplied by 0, which would keep a NaN.
        def zeros() -> Tensor:
            if device.type != "cpu":
                return torch.zeros(size, dtype=shape.dtype, device=device)
            # NumPy leaves it to the system to hand out zero pages when they are first touched;
            # torch writes to all of them, which takes seconds and memory that may never be used.
            flat = np.zeros(math.prod(size) * shape.dtype.itemsize, dtype=np.uint8)
            return torch.from_numpy(flat).view(shape.dtype).view(size)

        return cls([(zeros(), zeros()) for _ in range(shape.num_layers)])

    @property
    def num_blocks(self) -> int:
        return self.layers[0][0].shape[0]

    @property
    def block_size(self) -> int:
        return self.layers[0][0].shape[1]


def choose_num_blocks(
    shape: KVCacheShape,
    *,
    num_blocks: int | None,
    kv_cache_bytes: int | None,
    free_bytes: int,
    share: float,
    max_model_len: int,
    max_num_seqs: int,
) -> int:
    """`num_blocks` or what `kv_cache_bytes` hold; else what a `share` of `free_bytes` holds, as far
    as it can be used.

    Raises RostraError, with what would fit and the flag to change, when not even one sequence of
    `max_model_len` fits, and when more was asked for than `free_bytes` hold.
    """
    if num_blocks is not None and kv_cache_bytes is not None:
        raise RostraError("give the number of KV cache blocks or --kv-cache-bytes, not both")
    needed = shape.blocks_for(max_model_len)
    most = max(0, free_bytes) // shape.bytes_per_block
    if kv_cache_bytes is not None:
        num_blocks = kv_cache_bytes // shape.bytes_per_block
    elif num_blocks is None:
        num_blocks = min(int(share * most), max_num_seqs * needed)
    if num_blocks > most:
        raise RostraError(
            f"a KV cache of {shape.describe(num_blocks)} was asked for, and beside the weights "
            f"there is room for {shape.describe(most)}: lower "
            + (
                f"--kv-cache-bytes to at most {most * shape.bytes_per_block}"
                if kv_cache_bytes is not None
                else f"num_blocks to at most {most}"
            )
        )
    if num_blocks < needed:
        shorter = f", or lower --max-model-len to {num_blocks * shape.block_size}"
        raise RostraError(
            f"the KV cache has room for {shape.describe(num_blocks)}, too few for one sequence of "
            f"{max_model_len}: raise --kv-cache-bytes to at least {needed * shape.bytes_per_block}"
            + (shorter if num_blocks else ", or lower --max-model-len")
        )
    return num_blocks
