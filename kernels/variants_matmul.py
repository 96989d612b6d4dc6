"""The launches of products with quantised weights that every chip must be able to compile."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch
from rostra.kernels.quantized_matmul import (
    WEIGHT_TYPES,
    can_multiply,
    dequantize_launches,
    quantized_matmul_launches,
)

SHAPES = {
    # name: (output channels, depth)
    "narrow": (4096, 4096),
    "wide": (28_672, 4096),
    "split": (1024, 14_336),
    "uneven": (576, 576),
    "unaligned": (576, 1000),
}
"""One for each launch that the shape of a weight can choose, after Llama 3 8B and SmolLM2 135M."""


def matmul_launches(chip: Chip) -> Iterator[tuple[str, Launch]]:
    """(what for, launch): int8 and bfloat16 in every form, the other types where they differ."""
    for weight_type in filter(lambda dtype: can_multiply(dtype, chip), WEIGHT_TYPES):
        for shape in SHAPES:
            yield from _product(1, shape, weight_type, torch.bfloat16, chip)
        for num_rows in (32, 64, 128):
            yield from _product(num_rows, "wide", weight_type, torch.bfloat16, chip)
        if weight_type == torch.int8:
            yield from _product(128, "uneven", weight_type, torch.bfloat16, chip)
            yield from _product(128, "wide", weight_type, torch.float16, chip)
        yield from _product(1, "wide", weight_type, torch.float16, chip)
        yield from _product(1, "narrow", weight_type, torch.float32, chip)
        weight = _empty(*SHAPES["narrow"], dtype=weight_type)
        out = _empty(*SHAPES["narrow"], dtype=torch.bfloat16)
        scale = _empty(SHAPES["narrow"][0], dtype=torch.float32)
        for launch in dequantize_launches(weight, scale, out=out, chip=chip):
            yield f"{_name(weight_type)}, to bfloat16", launch


def _product(
    num_rows: int, shape: str, weight_type: torch.dtype, dtype: torch.dtype, chip: Chip
) -> Iterator[tuple[str, Launch]]:
    num_columns, depth = SHAPES[shape]
    launches = quantized_matmul_launches(
        _empty(num_rows, depth, dtype=dtype),
        _empty(num_columns, depth, dtype=weight_type),
        _empty(num_columns, dtype=torch.float32),
        _empty(num_columns, dtype=dtype),
        out=_empty(num_rows, num_columns, dtype=dtype),
        chip=chip,
    )
    for launch in launches:
        yield f"{_name(weight_type)}, {_name(dtype)}, {num_rows} rows, {shape}", launch


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")
