"""Both products of adapters, as the tests run them in the kernels' process."""

from __future__ import annotations


def add_adapters(x, a, b, ranks, tile_tokens, tile_slots, outputs, out):
    from rostra.kernels.lora import lora_expand, lora_shrink

    tiles = (ranks, tile_tokens, tile_slots)
    lora_expand(lora_shrink(x, a, *tiles), b, *tiles, outputs, out)
