"""Low-rank adapters (LoRA, arXiv 2106.09685), a different one for each token.

Adapters live in slots: a slot has room for `R` components of each projection, and `ranks` says how
many of them its adapter has there, so adapters of different ranks ride in one launch and none pays
for another's. A token is told its adapter by the tile it stands in (`rostra.kernels.lora_tiles`);
one that stands in none is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    ceil_div,
    next_power_of_2,
    require,
    require_floats,
    require_indices,
)
from rostra.kernels.lora_kernels import lora_expand_kernel, lora_shrink_kernel
from rostra.kernels.lora_tiles import FEW_ROWS

MAX_OUTPUTS = 3
"""Projections that share an input, such as query, key and value."""
_SPLIT_DEPTH = 1024
_MAX_SPLITS = 8
_MAX_RANK_BLOCK = 64


def num_splits(depth: int) -> int:
    """Into how many parts `lora_shrink` cuts a product of `depth`.

    A tile has few rows and columns, so that its depth is what occupies a GPU; and since nothing but
    the depth decides, a token's sums are the same in every batch.
    """
    return max(1, min(depth // _SPLIT_DEPTH, _MAX_SPLITS))


def lora_shrink_launches(
    x: torch.Tensor,
    a: torch.Tensor,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
    *,
    hidden: torch.Tensor,
    chip: Chip,
) -> list[Launch]:
    """What `lora_shrink` runs on `chip`."""
    _, num_outputs, max_rank, depth = a.shape
    num_tiles, rows = tile_tokens.shape
    # Rows that start anywhere are read byte by byte, and float32 takes several products: both take
    # registers.
    wide = x.element_size() == 4 or depth % 16 > 0
    block_r = _rank_block(max_rank)
    block_k = 32 if wide else 128 if rows == FEW_ROWS and chip.backend == "cuda" else 64
    splits = len(hidden)
    split_depth = ceil_div(ceil_div(depth, splits), block_k) * block_k
    return [
        Launch(
            kernel=lora_shrink_kernel,
            grid=(num_tiles, num_outputs * ceil_div(max_rank, block_r), splits),
            arguments={
                "hidden_ptr": hidden,
                "x_ptr": x,
                "a_ptr": a,
                "ranks_ptr": ranks,
                "tile_tokens_ptr": tile_tokens,
                "tile_slots_ptr": tile_slots,
                "num_outputs": num_outputs,
                "depth": depth,
                "split_depth": split_depth,
                "hidden_stride_split": hidden.stride(0),
                "hidden_stride": hidden.stride(1),
                "x_stride": x.stride(0),
                "a_stride_slot": a.stride(0),
                "a_stride": a.stride(2),
            },
            constants={
                "MAX_RANK": max_rank,
                "BLOCK_M": rows,
                "BLOCK_R": block_r,
                "BLOCK_K": block_k,
                "EVEN_K": depth % block_k == 0,
                "PRECISION": chip.dot_precision(x.dtype),
            },
            num_warps=4,
            num_stages=3 if chip.backend == "cuda" and not wide else 2,
        )
    ]


def lora_expand_launches(
    hidden: torch.Tensor,
    b: torch.Tensor,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
    outputs: Sequence[int],
    *,
    out: torch.Tensor,
    chip: Chip,
) -> list[Launch]:
    """What `lora_expand` runs on `chip`."""
    _, max_rank, num_columns = b.shape
    num_tiles, rows = tile_tokens.shape
    wide = b.element_size() == 4
    block_n = 64 if wide else 128
    ends = [sum(outputs[: i + 1]) for i in range(len(outputs))]
    ends += [num_columns] * (MAX_OUTPUTS - len(ends))
    return [
        Launch(
            kernel=lora_expand_kernel,
            grid=(num_tiles, ceil_div(max(outputs), block_n), len(outputs)),
            arguments={
                "out_ptr": out,
                "hidden_ptr": hidden,
                "b_ptr": b,
                "ranks_ptr": ranks,
                "tile_tokens_ptr": tile_tokens,
                "tile_slots_ptr": tile_slots,
                "num_columns": num_columns,
                "first_end": ends[0],
                "second_end": ends[1],
                "num_splits": len(hidden),
                "out_stride": out.stride(0),
                "hidden_stride_split": hidden.stride(0),
                "hidden_stride": hidden.stride(1),
                "b_stride_slot": b.stride(0),
                "b_stride": b.stride(1),
            },
            constants={
                "MAX_RANK": max_rank,
                "BLOCK_M": rows,
                "BLOCK_N": block_n,
                "BLOCK_R": min(_rank_block(max_rank), 32),
                "PRECISION": chip.dot_precision(b.dtype),
            },
            num_warps=4,
            num_stages=2,
        )
    ]


def lora_shrink(
    x: torch.Tensor,
    a: torch.Tensor,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
) -> torch.Tensor:
    """x @ A.T of each token's adapter, for every projection that reads `x`.

    x: [T, K] float32, bfloat16 or float16. a: [L, O, R, K] of that type, contiguous: the A of L
    slots and O projections. ranks: int32 [L], from 0 to R. tile_tokens: int32 [G, 16 or 64], the
    tokens of each tile, behind them -1. tile_slots: int32 [G], -1 for a tile without tokens.
    Returns a new float32 [S, T, O, R], to be added up over the S parts of the depth. What is beyond
    an adapter's rank, and a token in no tile, holds anything.

    Raises `KernelError` for shapes, types or devices it does not take.
    """
    name = "lora_shrink"
    require_floats(name, x=x, a=a)
    require(
        x.dim() == 2 and a.dim() == 4 and a.shape[3] == x.shape[1] and a.is_contiguous(),
        name,
        f"a {tuple(a.shape)} is not [L, O, R, K], contiguous, for x {tuple(x.shape)}",
    )
    _check_tiles(name, len(a), ranks, tile_tokens, tile_slots)
    hidden = torch.empty(
        (num_splits(x.shape[1]), len(x), *a.shape[1:3]), dtype=torch.float32, device=x.device
    )
    for launch in lora_shrink_launches(
        x, a, ranks, tile_tokens, tile_slots, hidden=hidden, chip=Chip.of(x.device)
    ):
        launch.run(x.device)
    return hidden


def lora_expand(
    hidden: torch.Tensor,
    b: torch.Tensor,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
    outputs: Sequence[int],
    out: torch.Tensor,
) -> None:
    """Adds (hidden, added up over its parts and rounded) @ B.T of each token's adapter to `out`.

    hidden: what `lora_shrink` returned for O projections. b: [L, R, N], contiguous, float32,
    bfloat16 or float16: the B of L slots, turned, with any scaling in it. outputs: features of each
    of the O projections, at most 3, which stand side by side in N. ranks, tile_tokens and
    tile_slots as in `lora_shrink`. out: [T, N] of the type of `b`; rows of tokens in no tile stay
    as they are.

    Raises `KernelError` for shapes, types or devices it does not take.
    """
    name = "lora_expand"
    require_floats(name, out=out, b=b)
    num_tokens, num_columns = out.shape
    require(
        b.dim() == 3 and b.shape[2] == num_columns and b.is_contiguous(),
        name,
        f"b {tuple(b.shape)} is not [L, R, N], contiguous, for out {tuple(out.shape)}",
    )
    require(
        1 <= len(outputs) <= MAX_OUTPUTS and sum(outputs) == num_columns,
        name,
        f"outputs {tuple(outputs)} are not 1 to {MAX_OUTPUTS} with {num_columns} features in all",
    )
    require(
        hidden.dtype == torch.float32
        and hidden.shape[1:] == (num_tokens, len(outputs), b.shape[1])
        and hidden.is_contiguous(),
        name,
        f"hidden is {hidden.dtype} {tuple(hidden.shape)}, not float32 "
        f"[S, {num_tokens}, {len(outputs)}, {b.shape[1]}], contiguous",
    )
    _check_tiles(name, len(b), ranks, tile_tokens, tile_slots)
    for launch in lora_expand_launches(
        hidden, b, ranks, tile_tokens, tile_slots, outputs, out=out, chip=Chip.of(out.device)
    ):
        launch.run(out.device)


def _rank_block(max_rank: int) -> int:
    return max(16, min(next_power_of_2(max_rank), _MAX_RANK_BLOCK))


def _check_tiles(
    name: str,
    num_slots: int,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
) -> None:
    require_indices(name, torch.int32, ranks=ranks, tile_tokens=tile_tokens, tile_slots=tile_slots)
    require(ranks.shape == (num_slots,), name, f"ranks {tuple(ranks.shape)} is not ({num_slots},)")
    require(
        tile_tokens.dim() == 2
        and tile_tokens.is_contiguous()
        and tile_slots.shape == tile_tokens.shape[:1],
        name,
        f"tile_slots {tuple(tile_slots.shape)} is not one for each row of tile_tokens "
        f"{tuple(tile_tokens.shape)}",
    )
