"""The Triton code of paged attention; `paged_attention.py` says how it is launched.

The query heads that share a key-value head are packed into the rows of one tile with as many tokens
as fit, so that a page is read once for all of them.

Two kinds of program run beside each other in one launch. A tall tile takes many query tokens of a
sequence over all keys they see: prefill, which is bound by arithmetic. A short tile takes all query
tokens of a sequence with few of them over one segment of its keys: decoding, which is bound by
memory. A decoding sequence thus pays neither for the height of a prefill's tile nor for having no
others beside it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from rostra.kernels.attention_loop import attend_to_tiles, base_two_scale
from rostra.kernels.attention_work import find_query_tile, find_segment, key_tiles


@triton.jit
def _tile_rows(  # type: ignore[no-untyped-def]
    query_begin, query_len, first_query, kv_head, GROUP: tl.constexpr, BLOCK_M: tl.constexpr
):
    """For each row: token of the batch, query head, index of the token in its sequence, whether
    there is such a row."""
    BLOCK_Q: tl.constexpr = BLOCK_M // GROUP
    rows = tl.arange(0, BLOCK_M)
    index = first_query + rows // GROUP
    mask = (rows < BLOCK_Q * GROUP) & (index < query_len)
    return (query_begin + index).to(tl.int64), kv_head * GROUP + rows % GROUP, index, mask


@triton.jit
def _load_query(  # type: ignore[no-untyped-def]
    query_ptr, offset, mask, HEAD_SIZE: tl.constexpr, BLOCK_D: tl.constexpr, ONE_BYTE: tl.constexpr
):
    """[M, BLOCK_D], in the type the products are computed in.

    With keys of one byte that is float16 unless the query is wider: it holds every e4m3 number
    exactly, one instruction converts a pair, and weights keep three bits more than in bfloat16.
    """
    dims = tl.arange(0, BLOCK_D)
    inside = mask[:, None] & (dims < HEAD_SIZE)[None, :]
    query = tl.load(query_ptr + offset[:, None] + dims[None, :], mask=inside, other=0.0)
    if ONE_BYTE and query.dtype == tl.bfloat16:
        # Nothing computed from a number beyond float16 would be of use, but it must not be NaN.
        query = tl.clamp(query.to(tl.float32), -65504.0, 65504.0).to(tl.float16)
    return query


@triton.jit(
    do_not_specialize=[
        "num_seqs",
        "num_kv_heads",
        "num_tall",
        "capacity",
        "least_tiles",
        "block_table_stride",
    ]
)
def attend_kernel(  # type: ignore[no-untyped-def]  # noqa: PLR0915 - a kernel is one function
    out_ptr,
    partial_ptr,
    lse_ptr,
    segments_ptr,
    query_ptr,
    key_ptr,
    value_ptr,
    block_table_ptr,
    query_start_ptr,
    seq_lens_ptr,
    scale,
    value_scale,
    num_seqs,
    num_kv_heads,
    num_tall,
    capacity,
    least_tiles,
    block_table_stride,
    out_stride_token,
    out_stride_head,
    query_stride_token,
    query_stride_head,
    cache_stride_block,
    cache_stride_slot,
    cache_stride_head,
    GROUP: tl.constexpr,
    HEAD_SIZE: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK_D: tl.constexpr,
    WINDOW: tl.constexpr,
    SOFT_CAP: tl.constexpr,
    PRECISION: tl.constexpr,
    ONE_BYTE: tl.constexpr,
    SHORT_M: tl.constexpr,
    SHORT_N: tl.constexpr,
    SHORT_STAGES: tl.constexpr,
    TALL_M: tl.constexpr,
    TALL_N: tl.constexpr,
    TALL_STAGES: tl.constexpr,
):
    # Heads fastest: programs that run together read neighbouring bytes of the same pages.
    kv_head = tl.program_id(0) % num_kv_heads
    index = tl.program_id(0) // num_kv_heads
    key_ptr += kv_head * cache_stride_head
    value_ptr += kv_head * cache_stride_head
    dims = tl.arange(0, BLOCK_D)

    if TALL_M > 0:
        if index < num_tall:
            TALL_Q: tl.constexpr = TALL_M // GROUP
            # The last tile of a sequence sees most keys: it goes first, or all would wait for it.
            tile_index = num_tall - 1 - index
            seq = find_query_tile(query_start_ptr, num_seqs, tile_index, TALL_Q)
            query_begin = tl.load(query_start_ptr + seq)
            query_len = tl.load(query_start_ptr + seq + 1) - query_begin
            first_query = (tile_index - query_begin // TALL_Q - seq) * TALL_Q
            if (first_query < query_len) & (query_len * GROUP > SHORT_M):
                seq_len = tl.load(seq_lens_ptr + seq)
                prefix_len = seq_len - query_len
                token, head, query_index, row_mask = _tile_rows(
                    query_begin, query_len, first_query, kv_head, GROUP, TALL_M
                )
                query_offset = token * query_stride_token + head * query_stride_head
                query = _load_query(query_ptr, query_offset, row_mask, HEAD_SIZE, BLOCK_D, ONE_BYTE)
                row_max = tl.full([TALL_M], float("-inf"), tl.float32)
                row_sum = tl.zeros([TALL_M], tl.float32)
                acc = tl.zeros([TALL_M, BLOCK_D], tl.float32)
                table_ptr = block_table_ptr + seq.to(tl.int64) * block_table_stride
                begin = prefix_len + first_query
                end = tl.minimum(begin + TALL_Q, seq_len)
                first_tile, end_tile = key_tiles(begin, end, TALL_N, WINDOW)
                # Every row sees every key up to the first row's own.
                whole_tiles = (begin + 1) // TALL_N
                if WINDOW > 0:
                    # And the last row's window begins where the first whole tile may begin.
                    last_first = tl.maximum(end - WINDOW, 0)
                    edge = tl.minimum((last_first + TALL_N - 1) // TALL_N, end_tile)
                    acc, row_sum, row_max = attend_to_tiles(
                        acc,
                        row_sum,
                        row_max,
                        query,
                        prefix_len + query_index,
                        key_ptr,
                        value_ptr,
                        table_ptr,
                        seq_len,
                        first_tile,
                        edge,
                        scale,
                        cache_stride_block,
                        cache_stride_slot,
                        HEAD_SIZE,
                        PAGE,
                        TALL_N,
                        BLOCK_D,
                        WINDOW,
                        SOFT_CAP,
                        PRECISION,
                        TALL_STAGES,
                        True,
                    )
                    first_tile = edge
                acc, row_sum, row_max = attend_to_tiles(
                    acc,
                    row_sum,
                    row_max,
                    query,
                    prefix_len + query_index,
                    key_ptr,
                    value_ptr,
                    table_ptr,
                    seq_len,
                    first_tile,
                    whole_tiles,
                    scale,
                    cache_stride_block,
                    cache_stride_slot,
                    HEAD_SIZE,
                    PAGE,
                    TALL_N,
                    BLOCK_D,
                    WINDOW,
                    SOFT_CAP,
                    PRECISION,
                    TALL_STAGES,
                    False,
                )
                acc, row_sum, row_max = attend_to_tiles(
                    acc,
                    row_sum,
                    row_max,
                    query,
                    prefix_len + query_index,
                    key_ptr,
                    value_ptr,
                    table_ptr,
                    seq_len,
                    tl.maximum(first_tile, whole_tiles),
                    end_tile,
                    scale,
                    cache_stride_block,
                    cache_stride_slot,
                    HEAD_SIZE,
                    PAGE,
                    TALL_N,
                    BLOCK_D,
                    WINDOW,
                    SOFT_CAP,
                    PRECISION,
                    TALL_STAGES,
                    True,
                )
                out_offset = token * out_stride_token + head * out_stride_head
                tl.store(
                    out_ptr + out_offset[:, None] + dims[None, :],
                    (acc * (value_scale / row_sum)[:, None]).to(out_ptr.dtype.element_ty),
                    mask=row_mask[:, None] & (dims < HEAD_SIZE)[None, :],
                )
            return
        index -= num_tall

    seq, first_segment, num_segments = find_segment(
        query_start_ptr,
        seq_lens_ptr,
        num_seqs,
        index,
        capacity,
        least_tiles,
        GROUP,
        SHORT_M,
        SHORT_N,
        WINDOW,
    )
    if num_segments == 0:
        return
    query_begin = tl.load(query_start_ptr + seq)
    query_len = tl.load(query_start_ptr + seq + 1) - query_begin
    seq_len = tl.load(seq_lens_ptr + seq)
    prefix_len = seq_len - query_len
    token, head, query_index, row_mask = _tile_rows(
        query_begin, query_len, 0, kv_head, GROUP, SHORT_M
    )
    query_offset = token * query_stride_token + head * query_stride_head
    query = _load_query(query_ptr, query_offset, row_mask, HEAD_SIZE, BLOCK_D, ONE_BYTE)
    row_max = tl.full([SHORT_M], float("-inf"), tl.float32)
    row_sum = tl.zeros([SHORT_M], tl.float32)
    acc = tl.zeros([SHORT_M, BLOCK_D], tl.float32)
    first_tile, end_tile = key_tiles(prefix_len, seq_len, SHORT_N, WINDOW)
    # Equal shares: a last segment of one tile would leave its program idle.
    num_tiles = end_tile - first_tile
    segment = index - first_segment
    acc, row_sum, row_max = attend_to_tiles(
        acc,
        row_sum,
        row_max,
        query,
        prefix_len + query_index,
        key_ptr,
        value_ptr,
        block_table_ptr + seq.to(tl.int64) * block_table_stride,
        seq_len,
        first_tile + num_tiles * segment // num_segments,
        first_tile + num_tiles * (segment + 1) // num_segments,
        scale,
        cache_stride_block,
        cache_stride_slot,
        HEAD_SIZE,
        PAGE,
        SHORT_N,
        BLOCK_D,
        WINDOW,
        SOFT_CAP,
        PRECISION,
        SHORT_STAGES,
        True,
    )
    # A segment of which a row sees nothing has a sum of zero.
    result = acc * (value_scale / tl.where(row_sum > 0.0, row_sum, 1.0))[:, None]
    mask = row_mask[:, None] & (dims < HEAD_SIZE)[None, :]
    if (segment == 0) & (kv_head == 0):
        tl.store(segments_ptr + 2 * seq, first_segment)
        tl.store(segments_ptr + 2 * seq + 1, num_segments)
    if num_segments == 1:
        out_offset = token * out_stride_token + head * out_stride_head
        tl.store(
            out_ptr + out_offset[:, None] + dims[None, :],
            result.to(out_ptr.dtype.element_ty),
            mask=mask,
        )
    else:
        row = (index * num_kv_heads + kv_head).to(tl.int64) * SHORT_M + tl.arange(0, SHORT_M)
        tl.store(partial_ptr + row[:, None] * HEAD_SIZE + dims[None, :], result, mask=mask)
        lse = row_max * base_two_scale(scale, SOFT_CAP) + tl.log2(row_sum)
        tl.store(lse_ptr + row, lse, mask=row_mask)
