"""A mixture of experts: feed-forward layers of which each token takes a few.

Routing as in Mixtral (arXiv 2401.04088) and Qwen3 (arXiv 2505.09388). Nothing waits for the
device: which expert has how many tokens stays there, so that all of it can stand in a CUDA graph.
"""

from __future__ import annotations

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    ceil_div,
    next_power_of_2,
    require,
    require_floats,
    require_rows,
)
from rostra.kernels.matmul_tile import MatmulTile
from rostra.kernels.moe_kernels import combine_kernel, expert_matmul_kernel
from rostra.kernels.moe_routing import check_routing, group_launches, route_launches
from rostra.kernels.moe_tile import choose_expert_tile, max_tiles
from rostra.kernels.quantized_matmul import WEIGHT_TYPES, can_multiply


def mixture_of_experts_launches(
    x: torch.Tensor,
    router_logits: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
    gate_up_scale: torch.Tensor | None,
    down_scale: torch.Tensor | None,
    *,
    top_k: int,
    renormalize: bool,
    out: torch.Tensor,
    chip: Chip,
) -> list[Launch]:
    """What `mixture_of_experts` runs on `chip`."""
    num_tokens, hidden_size = x.shape
    num_experts, _, intermediate_size = down.shape
    num_pairs = num_tokens * top_k
    tile = choose_expert_tile(
        num_pairs,
        num_experts,
        hidden_size % 16 == 0 and intermediate_size % 16 == 0,
        x.element_size(),
        chip,
    )
    factors = x.new_empty((num_tokens, top_k), dtype=torch.float32)
    experts = x.new_empty((num_tokens, top_k), dtype=torch.int32)
    launches, counts = route_launches(
        router_logits, renormalize=renormalize, factors=factors, experts=experts, chip=chip
    )
    tiles = max_tiles(num_pairs, num_experts, tile.block_m)
    pairs = x.new_empty(tiles * tile.block_m, dtype=torch.int32)
    tile_experts = x.new_empty(tiles, dtype=torch.int32)
    launches += group_launches(
        experts, counts, block_m=tile.block_m, pairs=pairs, tile_experts=tile_experts
    )
    activated = x.new_empty(num_pairs, intermediate_size)
    made = x.new_empty(num_pairs, hidden_size)
    grouped = (factors, pairs, tile_experts, tile, chip)
    launches += [
        _product(x, gate_up, gate_up_scale, *grouped, pairs_per_row=top_k, out=activated),
        _product(activated, down, down_scale, *grouped, pairs_per_row=None, out=made),
    ]
    block = min(1024, next_power_of_2(hidden_size))
    combine = Launch(
        kernel=combine_kernel,
        grid=(num_tokens, ceil_div(hidden_size, block), 1),
        arguments={
            "out_ptr": out,
            "x_ptr": made,
            "num_columns": hidden_size,
            "out_stride": out.stride(0),
            "x_stride": made.stride(0),
        },
        constants={"TOP_K": top_k, "BLOCK": block},
        num_warps=max(1, block // (4 * chip.warp_size)),
    )
    return [*launches, combine]


def _product(
    x: torch.Tensor,
    weight: torch.Tensor,
    scale: torch.Tensor | None,
    factors: torch.Tensor,
    pairs: torch.Tensor,
    tile_experts: torch.Tensor,
    tile: MatmulTile,
    chip: Chip,
    *,
    pairs_per_row: int | None,
    out: torch.Tensor,
) -> Launch:
    """Rows of `x`, [tokens, depth] for `pairs_per_row` pairs each, times gate and up; or, with
    None, [pairs, depth] times down and the factors."""
    depth = weight.shape[2]
    return Launch(
        kernel=expert_matmul_kernel,
        grid=(tile_experts.shape[0], ceil_div(weight.shape[1], tile.block_n), 1),
        arguments={
            "out_ptr": out,
            "x_ptr": x,
            "weight_ptr": weight,
            "scale_ptr": scale,
            "factors_ptr": factors,
            "pairs_ptr": pairs,
            "tile_experts_ptr": tile_experts,
            "num_pairs": out.shape[0],
            "num_columns": out.shape[1],
            "depth": depth,
            "out_stride": out.stride(0),
            "x_stride": x.stride(0),
            "weight_stride_expert": weight.stride(0),
            "weight_stride": weight.stride(1),
        },
        constants={
            "PAIRS_PER_ROW": pairs_per_row or 1,
            "GATED": pairs_per_row is not None,
            "BLOCK_M": tile.block_m,
            "BLOCK_N": tile.block_n,
            "BLOCK_K": tile.block_k,
            "EVEN_K": depth % tile.block_k == 0,
            "PRECISION": chip.dot_precision(x.dtype),
        },
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
    )


def mixture_of_experts(
    x: torch.Tensor,
    router_logits: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
    gate_up_scale: torch.Tensor | None = None,
    down_scale: torch.Tensor | None = None,
    *,
    top_k: int,
    renormalize: bool,
) -> torch.Tensor:
    """sum over a token's experts of factor * down(silu(gate(x)) * up(x)), routed as by `route`.

    x: [T, H] float32, bfloat16 or float16. router_logits: [T, E] of any of these types.
    gate_up: [E, 2 I, H], the gate first; down: [E, H, I]. Each of the type of `x`, or int8 or
    float8_e4m3fn with scales of its output channels: gate_up_scale, float32 [E, 2 I], and
    down_scale, float32 [E, H].
    Products are added up in float32; what is between them, the output of each expert times its
    factor, and the sum of these are each rounded to the type of `x`.
    Returns a new [T, H]. Takes T * k * (H + I) elements of the type of `x` for the duration of the
    call.

    Raises `KernelError` for shapes, types or devices it does not take.
    """
    name = "mixture_of_experts"
    check_routing(name, router_logits, top_k)
    _check_weights(name, x, gate_up, down, gate_up_scale, down_scale)
    require(
        router_logits.shape == (x.shape[0], down.shape[0]) and router_logits.device == x.device,
        name,
        f"router_logits {tuple(router_logits.shape)} on {router_logits.device} is not "
        f"{(x.shape[0], down.shape[0])} on {x.device}",
    )
    chip = Chip.of(x.device)
    for weight_name, weight in (("gate_up", gate_up), ("down", down)):
        require(
            weight.dtype == x.dtype or can_multiply(weight.dtype, chip),
            name,
            f"{weight_name} is {weight.dtype}, which Triton cannot widen on {chip.arch}; "
            "torch.int8 works",
        )
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    for launch in mixture_of_experts_launches(
        x,
        router_logits,
        gate_up,
        down,
        gate_up_scale,
        down_scale,
        top_k=top_k,
        renormalize=renormalize,
        out=out,
        chip=chip,
    ):
        launch.run(x.device)
    return out


def _check_weights(
    name: str,
    x: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
    gate_up_scale: torch.Tensor | None,
    down_scale: torch.Tensor | None,
) -> None:
    require_floats(name, x=x)
    fitting = (
        x.dim() == 2
        and gate_up.dim() == down.dim() == 3
        and gate_up.shape == (down.shape[0], 2 * down.shape[2], x.shape[1])
        and down.shape[1] == x.shape[1]
    )
    require(
        fitting,
        name,
        f"x {tuple(x.shape)}, gate_up {tuple(gate_up.shape)} and down {tuple(down.shape)} are not "
        "[T, H], [E, 2 I, H] and [E, H, I]",
    )
    for weight_name, weight, scale in (
        ("gate_up", gate_up, gate_up_scale),
        ("down", down, down_scale),
    ):
        wanted = (x.dtype,) if scale is None else WEIGHT_TYPES
        require(
            weight.dtype in wanted and weight.device == x.device,
            name,
            f"{weight_name} is {weight.dtype} on {weight.device} with"
            f"{'out' if scale is None else ''} a scale; x is {x.dtype} on {x.device}",
        )
        require_rows(name, weight_name, weight)
        require(
            scale is None
            or (
                scale.dtype == torch.float32
                and scale.shape == weight.shape[:2]
                and scale.is_contiguous()
                and scale.device == x.device
            ),
            name,
            f"the scale of {weight_name} is not float32 {tuple(weight.shape[:2])} on {x.device}",
        )
