"""The second pass of paged attention, over the segments that a long sequence was divided into."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["num_kv_heads"])
def merge_segments_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    partial_ptr,
    lse_ptr,
    segments_ptr,
    query_start_ptr,
    num_kv_heads,
    out_stride_token,
    out_stride_head,
    GROUP: tl.constexpr,
    HEAD_SIZE: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_SEGMENTS: tl.constexpr,
):
    """One program for each sequence, key-value head and row: the weighted mean of its segments."""
    seq = tl.program_id(0) // num_kv_heads
    kv_head = tl.program_id(0) % num_kv_heads
    row = tl.program_id(1)
    query_begin = tl.load(query_start_ptr + seq)
    query_rows = (tl.load(query_start_ptr + seq + 1) - query_begin) * GROUP
    num_segments = tl.load(segments_ptr + 2 * seq + 1)
    # No segment of a sequence without queries, or with too many of them, has written its count.
    if (row >= query_rows) | (query_rows > BLOCK_M) | (num_segments <= 1):
        return
    first_segment = tl.load(segments_ptr + 2 * seq)
    dims = tl.arange(0, BLOCK_D)
    dim_mask = dims < HEAD_SIZE

    best = float("-inf")
    total = 0.0
    acc = tl.zeros([BLOCK_D], tl.float32)
    for start in range(0, num_segments, BLOCK_SEGMENTS):
        segment = start + tl.arange(0, BLOCK_SEGMENTS)
        there = segment < num_segments
        place = ((first_segment + segment) * num_kv_heads + kv_head).to(tl.int64) * BLOCK_M + row
        lse = tl.load(lse_ptr + place, mask=there, other=float("-inf"))
        partial = tl.load(
            partial_ptr + place[:, None] * HEAD_SIZE + dims[None, :],
            mask=there[:, None] & dim_mask[None, :],
            other=0.0,
        )
        new_best = tl.maximum(best, tl.max(lse, 0))
        shift = tl.where(new_best == float("-inf"), 0.0, new_best)
        weights = tl.exp2(lse - shift)
        decay = tl.exp2(best - shift)
        total = total * decay + tl.sum(weights, 0)
        acc = acc * decay + tl.sum(partial * weights[:, None], 0)
        best = new_best

    token = (query_begin + row // GROUP).to(tl.int64)
    head = kv_head * GROUP + row % GROUP
    tl.store(
        out_ptr + token * out_stride_token + head * out_stride_head + dims,
        (acc / total).to(out_ptr.dtype.element_ty),
        mask=dim_mask,
    )
