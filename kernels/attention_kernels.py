"""The Triton code of paged attention; `paged_attention.py` says how it is launched.

The query heads that share a key-value head are packed into the rows of one tile with as many tokens
as fit, so that a page is read once for all of them. The softmax is the online one of
FlashAttention-2 (Dao, arXiv 2307.08691), in base two.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def _find_sequence(  # type: ignore[no-untyped-def]
    query_start_ptr, num_seqs, block, BLOCK_Q: tl.constexpr
):
    """The sequence that query block `block` belongs to.

    Sequence s owns the blocks from query_start[s] // BLOCK_Q + s on: never fewer than it needs, and
    known without counting the blocks of the sequences before it.
    """
    low = 0
    high = num_seqs
    while low < high:
        middle = (low + high) // 2
        if tl.load(query_start_ptr + middle) // BLOCK_Q + middle <= block:
            low = middle + 1
        else:
            high = middle
    return low - 1


@triton.jit(do_not_specialize=["num_seqs", "block_table_stride"])
def attend_kernel(  # type: ignore[no-untyped-def]  # noqa: PLR0915 - a kernel is one function
    out_ptr,
    lse_ptr,
    query_ptr,
    key_ptr,
    value_ptr,
    block_table_ptr,
    query_start_ptr,
    seq_lens_ptr,
    scale,
    num_seqs,
    block_table_stride,
    out_stride_token,
    out_stride_head,
    out_stride_segment,
    query_stride_token,
    query_stride_head,
    key_stride_block,
    key_stride_slot,
    key_stride_head,
    value_stride_block,
    value_stride_slot,
    value_stride_head,
    GROUP: tl.constexpr,
    HEAD_SIZE: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    WINDOW: tl.constexpr,
    SOFT_CAP: tl.constexpr,
    SPLIT: tl.constexpr,
    PRECISION: tl.constexpr,
):
    BLOCK_Q: tl.constexpr = BLOCK_M // GROUP
    block = tl.program_id(0)
    kv_head = tl.program_id(1)
    segment = tl.program_id(2)

    seq = _find_sequence(query_start_ptr, num_seqs, block, BLOCK_Q)
    query_begin = tl.load(query_start_ptr + seq)
    query_len = tl.load(query_start_ptr + seq + 1) - query_begin
    first_query = (block - query_begin // BLOCK_Q - seq) * BLOCK_Q
    if first_query >= query_len:
        return
    seq_len = tl.load(seq_lens_ptr + seq)
    prefix_len = seq_len - query_len

    rows = tl.arange(0, BLOCK_M)
    dims = tl.arange(0, BLOCK_D)
    query_index = first_query + rows // GROUP
    token = (query_begin + query_index).to(tl.int64)
    head = kv_head * GROUP + rows % GROUP
    row_mask = (rows < BLOCK_Q * GROUP) & (query_index < query_len)
    dim_mask = dims < HEAD_SIZE
    query_mask = row_mask[:, None] & dim_mask[None, :]
    query_offset = token * query_stride_token + head * query_stride_head
    query = tl.load(query_ptr + query_offset[:, None] + dims[None, :], mask=query_mask, other=0.0)
    query_position = prefix_len + query_index

    first_tile = 0
    end_tile = tl.cdiv(tl.minimum(prefix_len + first_query + BLOCK_Q, seq_len), BLOCK_N)
    if WINDOW > 0:
        first_tile = tl.maximum(prefix_len + first_query - WINDOW + 1, 0) // BLOCK_N
    if SPLIT:
        tiles_per_segment = tl.cdiv(end_tile - first_tile, tl.num_programs(2))
        first_tile += segment * tiles_per_segment
        end_tile = tl.minimum(end_tile, first_tile + tiles_per_segment)

    row_max = tl.full([BLOCK_M], float("-inf"), tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    block_table_ptr += seq.to(tl.int64) * block_table_stride
    key_ptr += kv_head * key_stride_head
    value_ptr += kv_head * value_stride_head

    for tile in range(first_tile, end_tile):
        key_position = tile * BLOCK_N + tl.arange(0, BLOCK_N)
        key_mask = key_position < seq_len
        page = tl.load(block_table_ptr + key_position // PAGE, mask=key_mask, other=0).to(tl.int64)
        slot = key_position % PAGE
        tile_mask = key_mask[:, None] & dim_mask[None, :]

        key_offset = page * key_stride_block + slot * key_stride_slot
        key = tl.load(key_ptr + key_offset[:, None] + dims[None, :], mask=tile_mask, other=0.0)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION) * scale
        if SOFT_CAP > 0:
            # tanh(x) = 2 sigmoid(2x) - 1; Triton has no tanh of its own.
            scores = SOFT_CAP * (2.0 * tl.sigmoid(scores * (2.0 / SOFT_CAP)) - 1.0)
        visible = key_position[None, :] <= query_position[:, None]
        if WINDOW > 0:
            visible &= query_position[:, None] - key_position[None, :] < WINDOW
        scores = tl.where(visible, scores * LOG2_E, float("-inf"))

        new_max = tl.maximum(row_max, tl.max(scores, 1))
        # A row that has seen no key yet would compute -inf minus -inf.
        shift = tl.where(new_max == float("-inf"), 0.0, new_max)
        weights = tl.exp2(scores - shift[:, None])
        decay = tl.exp2(row_max - shift)
        row_sum = row_sum * decay + tl.sum(weights, 1)
        row_max = new_max

        # Stale slots may hold anything, NaN included: a weight of zero does not silence them.
        value_offset = page * value_stride_block + slot * value_stride_slot
        value = tl.load(
            value_ptr + value_offset[:, None] + dims[None, :], mask=tile_mask, other=0.0
        )
        acc = acc * decay[:, None]
        acc = tl.dot(weights.to(value.dtype), value, acc, input_precision=PRECISION)

    # An empty segment leaves a sum of zero: its output is zero and its logarithm -inf.
    result = acc / tl.where(row_sum > 0.0, row_sum, 1.0)[:, None]
    out_offset = token * out_stride_token + head * out_stride_head + segment * out_stride_segment
    tl.store(
        out_ptr + out_offset[:, None] + dims[None, :],
        result.to(out_ptr.dtype.element_ty),
        mask=query_mask,
    )
    if SPLIT:
        num_heads = tl.num_programs(1) * GROUP
        lse_offset = (token * num_heads + head) * tl.num_programs(2) + segment
        tl.store(lse_ptr + lse_offset, row_max + tl.log2(row_sum), mask=row_mask)


@triton.jit(do_not_specialize=["num_seqs", "num_segments"])
def merge_segments_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    partial_ptr,
    lse_ptr,
    query_start_ptr,
    num_seqs,
    num_segments,
    out_stride_token,
    out_stride_head,
    HEAD_SIZE: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_SEGMENTS: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    if token >= tl.load(query_start_ptr + num_seqs):
        return
    segments = tl.arange(0, BLOCK_SEGMENTS)
    dims = tl.arange(0, BLOCK_D)
    segment_mask = segments < num_segments
    dim_mask = dims < HEAD_SIZE
    row = (token * tl.num_programs(1) + head) * num_segments + segments

    lse = tl.load(lse_ptr + row, mask=segment_mask, other=float("-inf"))
    weights = tl.exp2(lse - tl.max(lse, 0))
    partial = tl.load(
        partial_ptr + row[:, None] * HEAD_SIZE + dims[None, :],
        mask=segment_mask[:, None] & dim_mask[None, :],
        other=0.0,
    )
    result = tl.sum(partial * weights[:, None], 0) / tl.sum(weights, 0)
    tl.store(
        out_ptr + token * out_stride_token + head * out_stride_head + dims,
        result.to(out_ptr.dtype.element_ty),
        mask=dim_mask,
    )
