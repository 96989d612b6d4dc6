"""Which tokens are likely enough to be drawn, without sorting the vocabulary.

The bits of a float that is not negative, read as an integer, order it among its like. So the lowest
weight to keep is found by searching the integers: each pass over a row counts, or adds up, what
lies above three candidates, and two of its 31 bits are known. The row, of half a megabyte with a
large vocabulary, stays in the second-level cache meanwhile.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch, require

BLOCK = 4096


@triton.jit
def _above(  # type: ignore[no-untyped-def]
    row_ptr, vocab, first, second, third, COUNT: tl.constexpr, BLOCK: tl.constexpr
):
    """The number, or the float64 sum, of the weights whose bits are at least each candidate."""
    column = tl.arange(0, BLOCK)
    # In single precision the tail of a large vocabulary would be lost in the sums.
    above_first = tl.zeros([BLOCK], tl.int32 if COUNT else tl.float64)
    above_second = above_first
    above_third = above_first
    for start in range(0, vocab, BLOCK):
        weight = tl.load(row_ptr + start + column, mask=start + column < vocab, other=0.0)
        bits = weight.to(tl.int32, bitcast=True)
        share = tl.full([BLOCK], 1, tl.int32) if COUNT else weight.to(tl.float64)
        nothing = tl.zeros_like(share)
        above_first += tl.where(bits >= first, share, nothing)
        above_second += tl.where(bits >= second, share, nothing)
        above_third += tl.where(bits >= third, share, nothing)
    return tl.sum(above_first, 0), tl.sum(above_second, 0), tl.sum(above_third, 0)


@triton.jit
def _highest_with(  # type: ignore[no-untyped-def]
    row_ptr, vocab, wanted, low, high, COUNT: tl.constexpr, BLOCK: tl.constexpr
):
    """The highest bits in low : high with at least `wanted` at or above them; `low` if none has."""
    while high - low > 1:
        step = tl.maximum((high - low) // 4, 1)
        first = low + step
        second = first + step
        third = second + step
        above_first, above_second, above_third = _above(
            row_ptr, vocab, first, second, third, COUNT, BLOCK
        )
        if above_third >= wanted:
            low = third
        elif above_second >= wanted:
            low = second
            high = tl.minimum(high, third)
        elif above_first >= wanted:
            low = first
            high = tl.minimum(high, second)
        else:
            high = first
    return low


@triton.jit
def lowest_weight_kept_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    weights_ptr,
    top_k_ptr,
    top_p_ptr,
    min_p_ptr,
    vocab,
    weights_stride,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    row_ptr = weights_ptr + row * weights_stride
    column = tl.arange(0, BLOCK)
    largest = tl.zeros([BLOCK], tl.float32)
    for start in range(0, vocab, BLOCK):
        weight = tl.load(row_ptr + start + column, mask=start + column < vocab, other=0.0)
        largest = tl.maximum(largest, weight)
    largest = tl.max(largest, 0)
    low = tl.full([], 0, tl.int32)
    high = largest.to(tl.int32, bitcast=True) + 1

    top_k = tl.load(top_k_ptr + row)
    if (top_k > 0) & (top_k < vocab):
        low = _highest_with(row_ptr, vocab, top_k, low, high, True, BLOCK)
    top_p = tl.load(top_p_ptr + row).to(tl.float64)
    if top_p < 1:
        total, _, _ = _above(row_ptr, vocab, low, high, high, False, BLOCK)
        # The likeliest token is kept even when none is asked for.
        wanted = tl.maximum(top_p * total, 1e-300)
        low = _highest_with(row_ptr, vocab, wanted, low, high, False, BLOCK)
    floor = low.to(tl.float32, bitcast=True)
    tl.store(out_ptr + row, tl.maximum(floor, tl.load(min_p_ptr + row) * largest))


def lowest_weight_kept_launches(
    weights: torch.Tensor,
    top_k: torch.Tensor,
    top_p: torch.Tensor,
    min_p: torch.Tensor,
    *,
    out: torch.Tensor,
    chip: Chip,
) -> list[Launch]:
    """What `lowest_weight_kept` runs on `chip`: one program for each row."""
    return [
        Launch(
            kernel=lowest_weight_kept_kernel,
            grid=(weights.shape[0], 1, 1),
            arguments={
                "out_ptr": out,
                "weights_ptr": weights,
                "top_k_ptr": top_k,
                "top_p_ptr": top_p,
                "min_p_ptr": min_p,
                "vocab": weights.shape[1],
                "weights_stride": weights.stride(0),
            },
            constants={"BLOCK": BLOCK},
            # Eight elements for each lane, or four.
            num_warps=16,
        )
    ]


def lowest_weight_kept(
    weights: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, min_p: torch.Tensor
) -> torch.Tensor:
    """The lowest weight of each row that top-k, top-p and min-p keep; those below it are dropped.

    Top-k comes first; then top-p, the smallest set of the likeliest tokens that has its share of
    what top-k leaves (Holtzman et al. 2020); then min-p, relative to the largest (Nguyen et al.
    2024). A token as likely as the last one kept is kept too. Exact: of top-k and top-p the result
    is a weight of the row, and sums are made in float64.

    weights: [n, vocab] float32, not negative and finite; probabilities up to a factor.
    top_k: [n] int32; 0, or vocab and more, is off. top_p: [n] float32 or float64; 1 is off.
    min_p: [n] float32; 0 is off.
    Returns [n] float32. Waits for nothing. Raises `KernelError` for shapes, types or devices it
    does not take.
    """
    name = "lowest_weight_kept"
    require(
        weights.dim() == 2
        and weights.dtype == torch.float32
        and (weights.stride(1) == 1 or weights.shape[1] <= 1),
        name,
        f"weights is {weights.dtype} {tuple(weights.shape)}, not float32 [n, vocab] with "
        "contiguous rows",
    )
    for what, tensor, dtypes in (
        ("top_k", top_k, (torch.int32,)),
        ("top_p", top_p, (torch.float64, torch.float32)),
        ("min_p", min_p, (torch.float32,)),
    ):
        require(
            tensor.dtype in dtypes
            and tensor.shape == weights.shape[:1]
            and tensor.is_contiguous()
            and tensor.device == weights.device,
            name,
            f"{what} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}, not "
            f"{' or '.join(map(str, dtypes))} ({weights.shape[0]},) on {weights.device}",
        )
    out = torch.empty_like(min_p)
    chip = Chip.of(weights.device)
    for launch in lowest_weight_kept_launches(weights, top_k, top_p, min_p, out=out, chip=chip):
        launch.run(weights.device)
    return out
