"""The memory that keys and values live in, and how much of it there may be."""

from __future__ import annotations

import gc
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.device import available_host_memory
from rostra.mesh.errors import RostraError
from rostra.mesh.models import ModelConfig

_HOST_SHARE = 0.25
"""Of the memory available on the host: others live there too."""
_DEVICE_RESERVE = 0.05
"""Of a GPU's memory, kept free for what measuring one step does not see."""


@dataclass(frozen=True)
class KVCacheShape:
    """What one block takes."""

    num_layers: int
    block_size: int
    num_kv_heads: int
    head_dim: int
    dtype: torch.dtype

    @classmethod
    def of(cls, config: ModelConfig, block_size: int, dtype: torch.dtype) -> KVCacheShape:
        return cls(
            config.num_hidden_layers,
            block_size,
            config.num_key_value_heads,
            config.head_dim,
            dtype,
        )

    @property
    def bytes_per_block(self) -> int:
        """Keys and values of all layers."""
        elements = self.num_layers * self.block_size * self.num_kv_heads * self.head_dim
        return 2 * elements * self.dtype.itemsize

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
    max_model_len: int,
    max_num_seqs: int,
) -> int:
    """`num_blocks` or what `kv_cache_bytes` hold; else what `free_bytes` hold, as far as it can be
    used. Raises RostraError when not even one sequence of `max_model_len` fits."""
    if num_blocks is not None and kv_cache_bytes is not None:
        raise RostraError("give the number of KV cache blocks or --kv-cache-bytes, not both")
    needed = shape.blocks_for(max_model_len)
    if num_blocks is None:
        given = free_bytes if kv_cache_bytes is None else kv_cache_bytes
        num_blocks = given // shape.bytes_per_block
        if kv_cache_bytes is None:
            num_blocks = min(num_blocks, max_num_seqs * needed)
    if num_blocks < needed:
        raise RostraError(
            f"the KV cache has room for {num_blocks * shape.block_size} tokens, too few for one "
            f"sequence of {max_model_len}: raise --kv-cache-bytes to at least "
            f"{needed * shape.bytes_per_block}, or lower --max-model-len"
        )
    return num_blocks


def free_host_bytes() -> int:
    return int(_HOST_SHARE * available_host_memory())


def free_device_bytes(device: torch.device, step_bytes: int) -> int:
    """What a GPU has left beside the `step_bytes` that computing takes."""
    gc.collect()
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    return max(0, int(free - step_bytes - _DEVICE_RESERVE * total))
