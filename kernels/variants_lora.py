"""The launches of adapters that every chip must be able to compile."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch
from rostra.kernels.lora import lora_expand_launches, lora_shrink_launches, num_splits
from rostra.kernels.lora_tiles import most_tiles, tile_rows

NUM_SLOTS = 8
SHAPES = {
    # name: (depth, features of each projection)
    "query, key and value": (4096, (4096, 1024, 1024)),
    "down": (14_336, (4096,)),
    "unaligned": (1000, (576,)),
}
"""After Llama 3 8B; the last for a depth that is no multiple of a tile."""


def lora_launches(chip: Chip) -> Iterator[tuple[str, Launch]]:
    """(what for, launch): bfloat16 in every form, the other types where they differ."""
    for shape in SHAPES:
        yield from _products(16, shape, 64, torch.bfloat16, chip)
    for max_rank in (16, 256):
        yield from _products(16, "query, key and value", max_rank, torch.bfloat16, chip)
    yield from _products(2048, "query, key and value", 64, torch.bfloat16, chip)
    yield from _products(2048, "query, key and value", 256, torch.float16, chip)
    for num_tokens in (16, 2048):
        yield from _products(num_tokens, "query, key and value", 64, torch.float32, chip)


def _products(
    num_tokens: int, shape: str, max_rank: int, dtype: torch.dtype, chip: Chip
) -> Iterator[tuple[str, Launch]]:
    depth, outputs = SHAPES[shape]
    num_tiles = most_tiles(num_tokens, NUM_SLOTS)
    ranks = _empty(NUM_SLOTS, dtype=torch.int32)
    tiles = (
        _empty(num_tiles, tile_rows(num_tokens), dtype=torch.int32),
        _empty(num_tiles, dtype=torch.int32),
    )
    hidden = _empty(num_splits(depth), num_tokens, len(outputs), max_rank, dtype=torch.float32)
    launches = lora_shrink_launches(
        _empty(num_tokens, depth, dtype=dtype),
        _empty(NUM_SLOTS, len(outputs), max_rank, depth, dtype=dtype),
        ranks,
        *tiles,
        hidden=hidden,
        chip=chip,
    )
    launches += lora_expand_launches(
        hidden,
        _empty(NUM_SLOTS, max_rank, sum(outputs), dtype=dtype),
        ranks,
        *tiles,
        outputs,
        out=_empty(num_tokens, sum(outputs), dtype=dtype),
        chip=chip,
    )
    for launch in launches:
        type_name = str(dtype).removeprefix("torch.")
        yield f"{type_name}, {num_tokens} tokens, rank {max_rank}, {shape}", launch


def _empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")
