"""Attention of new tokens over a paged key-value cache: prefill, decode and mixed batches.

One kernel serves all three. With few short queries over long contexts the keys are split into
segments that run beside each other, and a second kernel merges them (Flash-Decoding).
"""

from __future__ import annotations

import torch

from rostra.kernels.attention_kernels import attend_kernel, merge_segments_kernel
from rostra.kernels.attention_tile import MAX_SEGMENTS, choose_segments, choose_tile
from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
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
    out: torch.Tensor,
    chip: Chip,
    num_segments: int | None = None,
) -> list[Launch]:
    """What `paged_attention` runs on `chip`: one kernel, or two where the keys are split.

    `num_segments` overrides the choice of how often they are split.
    """
    num_tokens, num_heads, head_size = query.shape
    _, page, num_kv_heads, _ = key_cache.shape
    num_seqs = seq_lens.shape[0]
    group = num_heads // num_kv_heads
    tile = choose_tile(max_query_len, group, head_size, query.element_size(), chip)
    num_blocks = num_tokens // (tile.block_m // group) + num_seqs
    if num_segments is None:
        programs = num_seqs * num_kv_heads
        num_segments = choose_segments(tile, max_query_len * group, programs, max_seq_len, chip)
    split = num_segments > 1
    partial = out
    lse = None
    if split:
        shape = (num_tokens, num_heads, num_segments)
        partial = query.new_empty((*shape, head_size), dtype=torch.float32)
        lse = query.new_empty(shape, dtype=torch.float32)

    block_d = max(16, next_power_of_2(head_size))
    attend = Launch(
        kernel=attend_kernel,
        grid=(num_blocks if num_seqs else 0, num_kv_heads, num_segments),
        arguments={
            "out_ptr": partial,
            "lse_ptr": lse,
            "query_ptr": query,
            "key_ptr": key_cache,
            "value_ptr": value_cache,
            "block_table_ptr": block_table,
            "query_start_ptr": query_start,
            "seq_lens_ptr": seq_lens,
            "scale": float(scale),
            "num_seqs": num_seqs,
            "block_table_stride": block_table.stride(0),
            "out_stride_token": partial.stride(0),
            "out_stride_head": partial.stride(1),
            "out_stride_segment": partial.stride(2) if split else 0,
            "query_stride_token": query.stride(0),
            "query_stride_head": query.stride(1),
            "key_stride_block": key_cache.stride(0),
            "key_stride_slot": key_cache.stride(1),
            "key_stride_head": key_cache.stride(2),
            "value_stride_block": value_cache.stride(0),
            "value_stride_slot": value_cache.stride(1),
            "value_stride_head": value_cache.stride(2),
        },
        constants={
            "GROUP": group,
            "HEAD_SIZE": head_size,
            "PAGE": page,
            "BLOCK_M": tile.block_m,
            "BLOCK_N": tile.block_n,
            "BLOCK_D": block_d,
            "WINDOW": sliding_window or 0,
            "SOFT_CAP": float(soft_cap or 0.0),
            "SPLIT": split,
            "PRECISION": _float32_products(chip) if query.dtype == torch.float32 else None,
        },
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
    )
    if not split:
        return [attend]
    merge = Launch(
        kernel=merge_segments_kernel,
        grid=(num_tokens if num_seqs else 0, num_heads, 1),
        arguments={
            "out_ptr": out,
            "partial_ptr": partial,
            "lse_ptr": lse,
            "query_start_ptr": query_start,
            "num_seqs": num_seqs,
            "num_segments": num_segments,
            "out_stride_token": out.stride(0),
            "out_stride_head": out.stride(1),
        },
        constants={
            "HEAD_SIZE": head_size,
            "BLOCK_D": block_d,
            "BLOCK_SEGMENTS": MAX_SEGMENTS,
        },
        num_warps=4,
    )
    return [attend, merge]


def _float32_products(chip: Chip) -> str:
    """How `tl.dot` multiplies float32: three tf32 products on NVIDIA, natively elsewhere.

    The default on NVIDIA is a single product, ten bits of mantissa; "ieee" leaves the tensor cores
    and spills.
    """
    return "tf32x3" if chip.backend == "cuda" else "ieee"


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
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """softmax(scale * query keys^T) values for the new tokens of each sequence, causal by position.

    query: [T, Hq, D] float32, bfloat16 or float16; the new tokens of all sequences, end to end.
    key_cache, value_cache: [N, B, Hkv, D] of the same type, the new tokens already in them.
    block_table: [S, M] int32; entry i holds positions i * B : (i + 1) * B of the sequence.
    query_start: [S + 1] int32; sequence s owns query rows query_start[s] : query_start[s + 1].
    seq_lens: [S] int32, tokens in context, the new ones included: query i of a sequence stands at
        position seq_len - query_len + i.
    scale: usually D ** -0.5.
    max_query_len, max_seq_len: bounds known to the host. They choose the launch and nothing else;
        nothing is read back from the device, so the call can be captured in a CUDA graph.
    sliding_window: a query sees this many positions, its own included.
    soft_cap: c of c * tanh(score / c), as in Gemma 2.
    out: [T, Hq, D]; made if not given. Rows from query_start[S] on are left as they are.

    Compiles once for each height of tile (see `choose_tile`) and for split and whole keys.
    Raises `KernelError` for shapes, types or devices it does not take.
    """
    if out is None:
        out = query.new_empty(query.shape)
    _check(query, key_cache, value_cache, block_table, query_start, seq_lens, out)
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
        out=out,
        chip=Chip.of(query.device),
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
) -> None:
    name = "paged_attention"
    require_floats(name, query=query, key_cache=key_cache, value_cache=value_cache, out=out)
    require_indices(
        name, torch.int32, block_table=block_table, query_start=query_start, seq_lens=seq_lens
    )
    _, num_heads, head_size = query.shape
    num_kv_heads = key_cache.shape[2]
    require(
        key_cache.shape == value_cache.shape and key_cache.shape[3] == head_size,
        name,
        f"query {tuple(query.shape)}, key_cache {tuple(key_cache.shape)} and "
        f"value_cache {tuple(value_cache.shape)} do not fit together",
    )
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
