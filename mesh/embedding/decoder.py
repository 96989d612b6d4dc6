"""Hidden states of a decoder, whose texts are computed whole and never continued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape
from rostra.mesh.engine.memory import told_when_short
from rostra.mesh.models import Model
from rostra.mesh.models.decoder import DecoderModel
from rostra.mesh.ops import StepLayout

SMALLER_STEP = "lower --max-model-len or --max-num-batched-tokens"


class DecoderTexts:
    """A decoder with as much cache as its layers need from their writing of keys to their reading.

    Layers of Rostra's own families do both before the next one begins, so one cache serves all.
    """

    def __init__(
        self,
        model: Model,
        device: torch.device,
        *,
        block_size: int,
        num_tokens: int,
        num_texts: int,
    ) -> None:
        """`num_tokens` and `num_texts`: the most that are computed at once."""
        shape = KVCacheShape.of(model, block_size, model.dtype)
        own = replace(shape, num_layers=1) if isinstance(model, DecoderModel) else shape
        # Every text begins with a block of its own.
        num_blocks = shape.blocks_for(num_tokens) + num_texts
        num_bytes = num_blocks * own.bytes_per_block
        with told_when_short("room for keys and values", num_bytes, device, SMALLER_STEP):
            cache = KVCache.allocate(own, num_blocks, device)
        self._caches = cache.layers * (shape.num_layers // own.num_layers)
        self._model = model
        self._block_size = block_size

    def __call__(self, token_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        return self._model(token_ids, whole_texts(lengths, self._block_size), self._caches)


def whole_texts(lengths: Sequence[int], block_size: int) -> StepLayout:
    """Texts from their first token to their last, each in blocks of its own, side by side."""
    sizes = np.asarray(lengths, np.int32)
    num_blocks = -(-sizes // block_size)
    first_blocks = num_blocks.cumsum() - num_blocks
    first_slots = (first_blocks * block_size).astype(np.int64)
    positions = np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
    table = np.arange(num_blocks.max(), dtype=np.int32)[None] + first_blocks[:, None]
    # What is beyond a text's length may be any block there is.
    table = np.minimum(table, num_blocks.sum() - 1)
    return StepLayout(
        positions=positions,
        slot_mapping=positions + first_slots.repeat(sizes),
        query_start=np.concatenate(([0], sizes.cumsum())).astype(np.int32),
        seq_lens=sizes,
        block_table=table.astype(np.int32),
        block_size=block_size,
    )
