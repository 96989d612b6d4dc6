"""Which experts each token goes to, and the order in which the experts are worked through."""

from __future__ import annotations

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch, ceil_div, next_power_of_2, require, require_floats
from rostra.kernels.moe_kernels import group_kernel, route_kernel

MAX_EXPERTS = 1024
_ROUTE_ELEMENTS = 4096
"""Logits that one program of the routing holds, the registers of 128 lanes."""
_GROUP_ELEMENTS = 4096
_BLOCK_PAIRS = 1024


def route_launches(
    router_logits: torch.Tensor,
    *,
    renormalize: bool,
    factors: torch.Tensor,
    experts: torch.Tensor,
    chip: Chip,
) -> tuple[list[Launch], torch.Tensor]:
    """What `route` runs on `chip`, and the pairs it counts: int32 [blocks of tokens, E]."""
    num_tokens, num_experts = router_logits.shape
    block_experts = max(16, next_power_of_2(num_experts))
    block_tokens = min(64, _ROUTE_ELEMENTS // block_experts)
    num_blocks = ceil_div(num_tokens, block_tokens)
    counts = router_logits.new_empty((num_blocks, num_experts), dtype=torch.int32)
    launch = Launch(
        kernel=route_kernel,
        grid=(num_blocks, 1, 1),
        arguments={
            "factors_ptr": factors,
            "experts_ptr": experts,
            "counts_ptr": counts,
            "logits_ptr": router_logits,
            "num_tokens": num_tokens,
            "logits_stride": router_logits.stride(0),
        },
        constants={
            "NUM_EXPERTS": num_experts,
            "TOP_K": factors.shape[1],
            "RENORMALIZE": renormalize,
            "BLOCK_TOKENS": block_tokens,
            "BLOCK_EXPERTS": block_experts,
            "BLOCK_K": next_power_of_2(factors.shape[1]),
        },
        num_warps=4,
    )
    return [launch], counts


def group_launches(
    experts: torch.Tensor,
    counts: torch.Tensor,
    *,
    block_m: int,
    pairs: torch.Tensor,
    tile_experts: torch.Tensor,
) -> list[Launch]:
    """Lays the pairs of `experts` [T, k] out expert after expert, in tiles of `block_m`.

    Writes pairs, int32 [tiles * block_m], and tile_experts, int32 [tiles].
    """
    num_experts = counts.shape[1]
    block_experts = max(16, next_power_of_2(num_experts))
    return [
        Launch(
            kernel=group_kernel,
            grid=(num_experts, 1, 1),
            arguments={
                "pairs_ptr": pairs,
                "tile_experts_ptr": tile_experts,
                "experts_ptr": experts,
                "counts_ptr": counts,
                "num_pairs": experts.numel(),
                "num_blocks": counts.shape[0],
                "max_tiles": tile_experts.shape[0],
            },
            constants={
                "NUM_EXPERTS": num_experts,
                "BLOCK_EXPERTS": block_experts,
                "BLOCK_M": block_m,
                "BLOCK_COUNTS": _GROUP_ELEMENTS // block_experts,
                "BLOCK_PAIRS": _BLOCK_PAIRS,
            },
            num_warps=4,
        )
    ]


def route(
    router_logits: torch.Tensor, *, top_k: int, renormalize: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The `top_k` likeliest experts of each token and their factors.

    router_logits: [T, E] float32, bfloat16 or float16, of at most MAX_EXPERTS experts.
    Returns factors, float32 [T, k], the softmax over all experts taken in float32 (`renormalize`:
    divided by its sum over those chosen), and experts, int32 [T, k], likeliest first and of equal
    ones the lowest first. NaN counts as likeliest, so that every expert returned exists.

    Raises `KernelError` for shapes, types or devices it does not take.
    """
    check_routing("route", router_logits, top_k)
    factors = router_logits.new_empty((router_logits.shape[0], top_k), dtype=torch.float32)
    experts = torch.empty_like(factors, dtype=torch.int32)
    chip = Chip.of(router_logits.device)
    launches, _ = route_launches(
        router_logits, renormalize=renormalize, factors=factors, experts=experts, chip=chip
    )
    for launch in launches:
        launch.run(router_logits.device)
    return factors, experts


def check_routing(name: str, router_logits: torch.Tensor, top_k: int) -> None:
    """Raises `KernelError` unless each row of `router_logits` has `top_k` experts to choose."""
    require_floats(name, router_logits=router_logits)
    require(
        router_logits.dim() == 2 and 1 <= top_k <= router_logits.shape[1] <= MAX_EXPERTS,
        name,
        f"top_k {top_k} of router_logits {tuple(router_logits.shape)}, not of [T, E] with "
        f"top_k <= E <= {MAX_EXPERTS}",
    )
