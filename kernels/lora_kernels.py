"""The two products of low-rank adapters, for tiles of tokens that share one (see `lora_tiles`)."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["num_outputs"])
def lora_shrink_kernel(  # type: ignore[no-untyped-def]
    hidden_ptr,
    x_ptr,
    a_ptr,
    ranks_ptr,
    tile_tokens_ptr,
    tile_slots_ptr,
    num_outputs,
    depth,
    split_depth,
    hidden_stride_split,
    hidden_stride,
    x_stride,
    a_stride_slot,
    a_stride,
    MAX_RANK: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr,
    EVEN_K: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """A tile's tokens times some rows of the adapter's A, over one part of the depth."""
    tile = tl.program_id(0)
    slot = tl.load(tile_slots_ptr + tile)
    if slot < 0:
        return
    rank = tl.load(ranks_ptr + slot)
    output = tl.program_id(1) % num_outputs
    component = tl.program_id(1) // num_outputs * BLOCK_R + tl.arange(0, BLOCK_R)
    if tl.program_id(1) // num_outputs * BLOCK_R >= rank:
        return
    token = tl.load(tile_tokens_ptr + tile * BLOCK_M + tl.arange(0, BLOCK_M))
    token_mask = token >= 0
    rank_mask = component < rank
    row = output * MAX_RANK + component
    x_ptr += token.to(tl.int64)[:, None] * x_stride
    a_ptr += slot.to(tl.int64) * a_stride_slot + row.to(tl.int64)[:, None] * a_stride
    split = tl.program_id(2)
    first = split * split_depth
    # Only the last tile of the last split can reach beyond the depth.
    end = tl.minimum(first + split_depth, depth)
    acc = tl.zeros([BLOCK_M, BLOCK_R], tl.float32)
    for start in range(first, end, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)[None, :]
        x_mask = token_mask[:, None]
        a_mask = rank_mask[:, None]
        if not EVEN_K:
            x_mask &= k < depth
            a_mask &= k < depth
        x = tl.load(x_ptr + k, mask=x_mask, other=0.0)
        a = tl.load(a_ptr + k, mask=a_mask, other=0.0)
        acc = tl.dot(x, a.T, acc, input_precision=PRECISION)
    hidden_ptr += split.to(tl.int64) * hidden_stride_split
    hidden_ptr += token.to(tl.int64)[:, None] * hidden_stride + row[None, :]
    tl.store(hidden_ptr, acc, mask=token_mask[:, None] & rank_mask[None, :])


@triton.jit(do_not_specialize=["num_splits"])
def lora_expand_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    hidden_ptr,
    b_ptr,
    ranks_ptr,
    tile_tokens_ptr,
    tile_slots_ptr,
    num_columns,
    first_end,
    second_end,
    num_splits,
    out_stride,
    hidden_stride_split,
    hidden_stride,
    b_stride_slot,
    b_stride,
    MAX_RANK: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Adds a tile's hidden vectors times some columns of the adapter's B to the output.

    The columns of a program belong to one of up to three projections, which end at `first_end`,
    `second_end` and `num_columns`.
    """
    tile = tl.program_id(0)
    slot = tl.load(tile_slots_ptr + tile)
    if slot < 0:
        return
    rank = tl.load(ranks_ptr + slot)
    output = tl.program_id(2)
    begin = tl.where(output == 0, 0, tl.where(output == 1, first_end, second_end))
    end = tl.where(output == 0, first_end, tl.where(output == 1, second_end, num_columns))
    begin += tl.program_id(1) * BLOCK_N
    if (begin >= end) | (rank == 0):
        return
    column = begin + tl.arange(0, BLOCK_N)
    column_mask = column < end
    token = tl.load(tile_tokens_ptr + tile * BLOCK_M + tl.arange(0, BLOCK_M))
    token_mask = token >= 0
    b_ptr += slot.to(tl.int64) * b_stride_slot + column[None, :]
    hidden_ptr += token.to(tl.int64)[:, None] * hidden_stride + output * MAX_RANK
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, rank, BLOCK_R):
        component = start + tl.arange(0, BLOCK_R)
        rank_mask = component < rank
        mask = token_mask[:, None] & rank_mask[None, :]
        hidden = tl.zeros([BLOCK_M, BLOCK_R], tl.float32)
        part_ptr = hidden_ptr + component[None, :]
        # In their order, so that the result is the same every time.
        for _ in range(num_splits):
            hidden += tl.load(part_ptr, mask=mask, other=0.0)
            part_ptr += hidden_stride_split
        b = tl.load(
            b_ptr + component.to(tl.int64)[:, None] * b_stride,
            mask=rank_mask[:, None] & column_mask[None, :],
            other=0.0,
        )
        acc = tl.dot(hidden.to(b.dtype), b, acc, input_precision=PRECISION)
    out_ptr += token.to(tl.int64)[:, None] * out_stride + column[None, :]
    mask = token_mask[:, None] & column_mask[None, :]
    before = tl.load(out_ptr, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr, (before + acc).to(out_ptr.dtype.element_ty), mask=mask)
