"""Attention of new tokens over a paged key-value cache: prefill, decode and mixed batches.

One launch serves all three. The keys of sequences with few queries are split into segments that run
beside each other, and a second kernel merges them (Flash-Decoding). How often is worked out on the
device from the lengths themselves (see `attention_work`), so that a launch made for the longest
context, as one captured in a CUDA graph, costs a short one nothing.
"""

from __future__ import annotations

import torch

from rostra.kernels.attention_kernels import attend_kernel
from rostra.kernels.attention_merge import merge_segments_kernel
from rostra.kernels.attention_tile import MIN_SEGMENT_TOKENS, choose_capacity, choose_tiles
from rostra.kernels.cache import require_cache
from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    ceil_div,
    next_power_of_2,
    require,
    require_floats,
    require_indices,
)


def paged_attention_launches(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    block_table: torch.Tensor,
    query_start: torch.Tensor,
    seq_lens: torch.Tensor,
    *,
    scale: float,
    max_query_len: int,
    max_seq_len: int,
    sliding_window: int | None,
    soft_cap: float | None,
    key_scale: float,
    value_scale: float,
    out: torch.Tensor,
    chip: Chip,
    capacity: int | None = None,
    segment_tokens: int = MIN_SEGMENT_TOKENS,
) -> list[Launch]:
    """What `paged_attention` runs on `chip`: one kernel, or two where keys may be split.

    `capacity` overrides how many segments of keys to aim for, to each key-value head;
    `segment_tokens` is the least length of one.
    """
    num_tokens, num_heads, head_size = query.shape
    _, page, num_kv_heads, _ = key_cache.shape
    num_seqs = seq_lens.shape[0]
    group = num_heads // num_kv_heads
    tiles = choose_tiles(
        max_query_len,
        group,
        head_size,
        query.element_size(),
        key_cache.element_size(),
        chip,
    )
    short, tall = tiles.short, tiles.tall
    if capacity is None:
        capacity = choose_capacity(tiles, num_kv_heads, chip)
    least_tiles = ceil_div(segment_tokens, short.block_n)
    # No sequence has more segments than its longest context allows, so none may be split at all.
    split = max_seq_len > least_tiles * short.block_n
    num_segments = num_seqs + (capacity if split else 0)
    num_tall = num_tokens // (tall.block_m // group) + num_seqs if tall else 0
    rows = (num_segments, num_kv_heads, short.block_m) if split else (0, num_kv_heads, 1)
    partial = query.new_empty((*rows, head_size), dtype=torch.float32)
    lse = query.new_empty(rows, dtype=torch.float32)
    segments = query_start.new_empty((num_seqs, 2))

    block_d = max(16, next_power_of_2(head_size))
    attend = Launch(
        kernel=attend_kernel,
        grid=((num_tall + num_segments) * num_kv_heads if num_tokens and num_seqs else 0, 1, 1),
        arguments={
            "out_ptr": out,
            "partial_ptr": partial,
            "lse_ptr": lse,
            "segments_ptr": segments,
            "query_ptr": query,
            "key_ptr": key_cache,
            "value_ptr": value_cache,
            "block_table_ptr": block_table,
            "query_start_ptr": query_start,
            "seq_lens_ptr": seq_lens,
            "scale": float(scale * key_scale),
            "value_scale": float(value_scale),
            "num_seqs": num_seqs,
            "num_kv_heads": num_kv_heads,
            "num_tall": num_tall,
            "capacity": capacity,
            "least_tiles": least_tiles,
            "block_table_stride": block_table.stride(0),
            "out_stride_token": out.stride(0),
            "out_stride_head": out.stride(1),
            "query_stride_token": query.stride(0),
            "query_stride_head": query.stride(1),
            "cache_stride_block": key_cache.stride(0),
            "cache_stride_slot": key_cache.stride(1),
            "cache_stride_head": key_cache.stride(2),
        },
        constants={
            "GROUP": group,
            "HEAD_SIZE": head_size,
            "PAGE": page,
            "BLOCK_D": block_d,
            "WINDOW": sliding_window or 0,
            "SOFT_CAP": float(soft_cap or 0.0),
            "PRECISION": chip.dot_precision(query.dtype),
            "ONE_BYTE": key_cache.element_size() == 1,
            "SHORT_M": short.block_m,
            "SHORT_N": short.block_n,
            "SHORT_STAGES": short.num_stages,
            "TALL_M": tall.block_m if tall else 0,
            "TALL_N": tall.block_n if tall else 0,
            "TALL_STAGES": tall.num_stages if tall else 0,
        },
        num_warps=tiles.num_warps,
        max_registers=tiles.max_registers,
    )
    if not split:
        return [attend]
    most_rows = min(short.block_m, max_query_len * group)
    merge = Launch(
        kernel=merge_segments_kernel,
        grid=(num_seqs * num_kv_heads if num_tokens else 0, most_rows, 1),
        arguments={
            "out_ptr": out,
            "partial_ptr": partial,
            "lse_ptr": lse,
            "segments_ptr": segments,
            "query_start_ptr": query_start,
            "num_kv_heads": num_kv_heads,
            "out_stride_token": out.stride(0),
            "out_stride_head": out.stride(1),
        },
        constants={
            "GROUP": group,
            "HEAD_SIZE": head_size,
            "BLOCK_D": block_d,
            "BLOCK_M": short.block_m,
            # More rows of 256 numbers spill on an A100.
            "BLOCK_SEGMENTS": min(32, 4096 // block_d),
        },
        num_warps=4,
    )
    return [attend, merge]


def paged_attention(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    block_table: torch.Tensor,
    query_start: torch.Tensor,
    seq_lens: torch.Tensor,
    *,
    scale: float,
    max_query_len: int,
    max_seq_len: int,
    sliding_window: int | None = None,
    soft_cap: float | None = None,
    key_scale: float = 1.0,
    value_scale: float = 1.0,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """softmax(scale * query keys^T) values for the new tokens of each sequence, causal by position.

    query: [T, Hq, D] float32, bfloat16 or float16; the new tokens of all sequences, end to end.
    key_cache, value_cache: [N, B, Hkv, D] of the same type or float8_e4m3fn, the new tokens already
        in them; both with the same strides. B is a power of two.
    block_table: [S, M] int32; entry i holds positions i * B : (i + 1) * B of the sequence.
    query_start: [S + 1] int32; sequence s owns query rows query_start[s] : query_start[s + 1].
    seq_lens: [S] int32, tokens in context, the new ones included: query i of a sequence stands at
        position seq_len - query_len + i.
    scale: usually D ** -0.5; positive.
    max_query_len, max_seq_len: bounds known to the host. They choose the launch and nothing else;
        nothing is read back from the device, so the call can be captured in a CUDA graph.
    sliding_window: a query sees this many positions, its own included.
    soft_cap: c of c * tanh(score / c), as in Gemma 2.
    key_scale, value_scale: what a cached number is multiplied with to give the key or value.
    out: [T, Hq, D]; made if not given. Rows from query_start[S] on are left as they are.

    A sequence of no length or without new tokens is passed over. Compiles once for each set of
    tiles (see `choose_tiles`).
    Raises `KernelError` for shapes, types or devices it does not take.
    """
    if out is None:
        out = query.new_empty(query.shape)
    chip = Chip.of(query.device)
    _check(query, key_cache, value_cache, block_table, query_start, seq_lens, out, scale, chip)
    launches = paged_attention_launches(
        query,
        key_cache,
        value_cache,
        block_table,
        query_start,
        seq_lens,
        scale=scale,
        max_query_len=max_query_len,
        max_seq_len=max_seq_len,
        sliding_window=sliding_window,
        soft_cap=soft_cap,
        key_scale=key_scale,
        value_scale=value_scale,
        out=out,
        chip=chip,
    )
    for launch in launches:
        launch.run(query.device)
    return out


def _check(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    block_table: torch.Tensor,
    query_start: torch.Tensor,
    seq_lens: torch.Tensor,
    out: torch.Tensor,
    scale: float,
    chip: Chip,
) -> None:
    name = "paged_attention"
    require_floats(name, query=query, out=out)
    require_cache(name, query, key_cache, value_cache, chip)
    require_indices(
        name, torch.int32, block_table=block_table, query_start=query_start, seq_lens=seq_lens
    )
    _, num_heads, head_size = query.shape
    num_kv_heads = key_cache.shape[2]
    require(
        key_cache.shape[3] == head_size,
        name,
        f"query {tuple(query.shape)} and key_cache {tuple(key_cache.shape)} do not fit together",
    )
    require(scale > 0.0, name, f"scale is {scale}, not positive")
    require(
        num_heads % num_kv_heads == 0,
        name,
        f"{num_heads} query heads over {num_kv_heads} key-value heads: not a multiple",
    )
    require(
        out.shape == query.shape, name, f"out is {tuple(out.shape)}, query {tuple(query.shape)}"
    )
    num_seqs = seq_lens.shape[0]
    require(
        block_table.shape[0] == num_seqs and query_start.shape[0] == num_seqs + 1,
        name,
        f"block_table {tuple(block_table.shape)}, query_start {tuple(query_start.shape)} and "
        f"seq_lens {tuple(seq_lens.shape)} disagree on the number of sequences",
    )
