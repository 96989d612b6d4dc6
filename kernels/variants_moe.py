"""The launches of mixtures of experts that every chip must be able to compile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch
from rostra.kernels.moe import mixture_of_experts_launches
from rostra.kernels.quantized_matmul import WEIGHT_TYPES, can_multiply


@dataclass(frozen=True)
class Mixture:
    """The sizes of a model that the kernels see."""

    num_experts: int
    top_k: int
    hidden: int
    intermediate: int
    renormalize: bool = True


MIXTRAL_8X7B = Mixture(8, 2, 4096, 14_336)
QWEN3_30B_A3B = Mixture(128, 8, 2048, 768)
UNALIGNED = Mixture(6, 3, 1000, 500, renormalize=False)

SHARES = (1, 32, 64, 128)
"""Pairs of an expert: one for each tile that their number can choose."""


def moe_launches(chip: Chip) -> Iterator[tuple[str, Launch]]:
    """(what for, launch): bfloat16 in every form, the other types where they differ."""
    weight_types = [None, *(dtype for dtype in WEIGHT_TYPES if can_multiply(dtype, chip))]
    for share in SHARES:
        yield from _mixture(share, QWEN3_30B_A3B, torch.bfloat16, None, chip)
        for weight_type in weight_types:
            yield from _mixture(share, MIXTRAL_8X7B, torch.bfloat16, weight_type, chip)
    for share in (SHARES[0], SHARES[-1]):
        for weight_type in weight_types:
            yield from _mixture(share, MIXTRAL_8X7B, torch.float16, weight_type, chip)
    for dtype in (torch.bfloat16, torch.float32):
        yield from _mixture(1, UNALIGNED, dtype, None, chip)
        yield from _mixture(1, UNALIGNED, dtype, torch.int8, chip)


def _mixture(
    share: int, model: Mixture, dtype: torch.dtype, weight_type: torch.dtype | None, chip: Chip
) -> Iterator[tuple[str, Launch]]:
    num_tokens = max(1, share * model.num_experts // model.top_k)
    x = _empty(num_tokens, model.hidden, dtype=dtype)
    gate_up = (model.num_experts, 2 * model.intermediate)
    down = (model.num_experts, model.hidden)
    scaled = weight_type is not None
    launches = mixture_of_experts_launches(
        x,
        _empty(num_tokens, model.num_experts, dtype=dtype),
        _empty(*gate_up, model.hidden, dtype=weight_type or dtype),
        _empty(*down, model.intermediate, dtype=weight_type or dtype),
        _empty(*gate_up, dtype=torch.float32) if scaled else None,
        _empty(*down, dtype=torch.float32) if scaled else None,
        top_k=model.top_k,
        renormalize=model.renormalize,
        out=torch.empty_like(x),
        chip=chip,
    )
    types = f"{weight_type or dtype} times {dtype}".replace("torch.", "")
    for launch in launches:
        yield f"{types}, {num_tokens} tokens of {model.hidden}", launch


def _empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")
