"""Rotary position embedding of query and key, and the write of key and value into the cache.

One pass: the rotated key goes straight from registers to its slot.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from rostra.kernels.cache import require_cache
from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    next_power_of_2,
    require,
    require_floats,
    require_indices,
)

LARGEST_FP8 = tl.constexpr(448.0)


@triton.jit
def _to_cache(x, factor, cached: tl.constexpr):  # type: ignore[no-untyped-def]
    """`x * factor` in the type of the cache; saturates there, but keeps NaN."""
    wide = x.to(tl.float32) * factor
    if cached.primitive_bitwidth == 8:
        wide = tl.clamp(wide, -LARGEST_FP8, LARGEST_FP8, propagate_nan=tl.PropagateNan.ALL)
    return wide.to(cached)


@triton.jit
def rope_and_cache_kernel(  # type: ignore[no-untyped-def]
    query_ptr,
    key_ptr,
    value_ptr,
    cos_ptr,
    sin_ptr,
    positions_ptr,
    key_cache_ptr,
    value_cache_ptr,
    slot_mapping_ptr,
    key_factor,
    value_factor,
    query_stride_token,
    query_stride_head,
    key_stride_token,
    key_stride_head,
    value_stride_token,
    value_stride_head,
    cos_stride,
    sin_stride,
    cache_stride_block,
    cache_stride_slot,
    cache_stride_head,
    GROUP: tl.constexpr,
    BLOCK_GROUP: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK_HALF: tl.constexpr,
    PAGE: tl.constexpr,
):
    """One program for each token and key-value head, with the query heads that share it."""
    token = tl.program_id(0).to(tl.int64)
    kv_head = tl.program_id(1)
    half = tl.arange(0, BLOCK_HALF)
    half_mask = half < HALF
    position = tl.load(positions_ptr + token)
    cos = tl.load(cos_ptr + position * cos_stride + half, mask=half_mask, other=0.0)
    sin = tl.load(sin_ptr + position * sin_stride + half, mask=half_mask, other=0.0)

    group = tl.arange(0, BLOCK_GROUP)
    head = kv_head * GROUP + group
    query_mask = (group < GROUP)[:, None] & half_mask[None, :]
    query_ptr += token * query_stride_token
    low_ptr = query_ptr + head[:, None] * query_stride_head + half[None, :]
    low = tl.load(low_ptr, mask=query_mask, other=0.0).to(tl.float32)
    high = tl.load(low_ptr + HALF, mask=query_mask, other=0.0).to(tl.float32)
    element = query_ptr.dtype.element_ty
    rotated_low = (low * cos[None, :] - high * sin[None, :]).to(element)
    rotated_high = (high * cos[None, :] + low * sin[None, :]).to(element)
    tl.store(low_ptr, rotated_low, mask=query_mask)
    tl.store(low_ptr + HALF, rotated_high, mask=query_mask)

    key_ptr += token * key_stride_token + kv_head * key_stride_head + half
    low = tl.load(key_ptr, mask=half_mask, other=0.0).to(tl.float32)
    high = tl.load(key_ptr + HALF, mask=half_mask, other=0.0).to(tl.float32)
    key_low = (low * cos - high * sin).to(element)
    key_high = (high * cos + low * sin).to(element)
    tl.store(key_ptr, key_low, mask=half_mask)
    tl.store(key_ptr + HALF, key_high, mask=half_mask)

    slot = tl.load(slot_mapping_ptr + token)
    if slot < 0:
        return
    place = (slot // PAGE) * cache_stride_block + (slot % PAGE) * cache_stride_slot
    place += kv_head * cache_stride_head
    cached = key_cache_ptr.dtype.element_ty
    key_cache_ptr += place + half
    tl.store(key_cache_ptr, _to_cache(key_low, key_factor, cached), mask=half_mask)
    tl.store(key_cache_ptr + HALF, _to_cache(key_high, key_factor, cached), mask=half_mask)

    value_ptr += token * value_stride_token + kv_head * value_stride_head + half
    value_cache_ptr += place + half
    value_low = tl.load(value_ptr, mask=half_mask)
    value_high = tl.load(value_ptr + HALF, mask=half_mask)
    tl.store(value_cache_ptr, _to_cache(value_low, value_factor, cached), mask=half_mask)
    tl.store(value_cache_ptr + HALF, _to_cache(value_high, value_factor, cached), mask=half_mask)


def rope_and_cache_launches(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    positions: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    slot_mapping: torch.Tensor,
    *,
    key_scale: float,
    value_scale: float,
    chip: Chip,
) -> list[Launch]:
    """What `rope_and_cache` runs on `chip`."""
    num_tokens, num_heads, head_size = query.shape
    num_kv_heads = key.shape[1]
    group = num_heads // num_kv_heads
    block_half = next_power_of_2(head_size // 2)
    block_group = next_power_of_2(group)
    return [
        Launch(
            kernel=rope_and_cache_kernel,
            grid=(num_tokens, num_kv_heads, 1),
            arguments={
                "query_ptr": query,
                "key_ptr": key,
                "value_ptr": value,
                "cos_ptr": cos,
                "sin_ptr": sin,
                "positions_ptr": positions,
                "key_cache_ptr": key_cache,
                "value_cache_ptr": value_cache,
                "slot_mapping_ptr": slot_mapping,
                "key_factor": 1.0 / key_scale,
                "value_factor": 1.0 / value_scale,
                "query_stride_token": query.stride(0),
                "query_stride_head": query.stride(1),
                "key_stride_token": key.stride(0),
                "key_stride_head": key.stride(1),
                "value_stride_token": value.stride(0),
                "value_stride_head": value.stride(1),
                "cos_stride": cos.stride(0),
                "sin_stride": sin.stride(0),
                "cache_stride_block": key_cache.stride(0),
                "cache_stride_slot": key_cache.stride(1),
                "cache_stride_head": key_cache.stride(2),
            },
            constants={
                "GROUP": group,
                "BLOCK_GROUP": block_group,
                "HALF": head_size // 2,
                "BLOCK_HALF": block_half,
                "PAGE": key_cache.shape[1],
            },
            # Some eight elements for each lane.
            num_warps=max(1, min(8, block_group * block_half // (8 * chip.warp_size))),
        )
    ]


def rope_and_cache(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    positions: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    slot_mapping: torch.Tensor,
    *,
    key_scale: float = 1.0,
    value_scale: float = 1.0,
) -> None:
    """Rotate `query` and `key` in place and write the rotated key and the value to the cache.

    Dimensions i and i + D / 2 form a pair (GPT-NeoX, and Llama in transformers):
    low' = low cos - high sin, high' = high cos + low sin; in float32, rounded once (RoFormer,
    arXiv 2104.09864).

    query: [T, Hq, D], key, value: [T, Hkv, D]; float32, bfloat16 or float16. May be views into one
        tensor, as long as the last dimension is contiguous.
    cos, sin: [P, D / 2] float32, a row for each position.
    positions: [T] int64 in 0 : P.
    key_cache, value_cache: [N, B, Hkv, D] of the same type or float8_e4m3fn, with the same strides.
        B is a power of two. What is beyond the range of the type, +-448, is stored as its end.
    slot_mapping: [T] int64; slot s is entry s % B of block s // B, and no two tokens share one. For
        a negative slot nothing is written.
    key_scale, value_scale: positive; what is stored is the key or value times the reciprocal.

    Raises `KernelError` for shapes, types or devices it does not take.
    """
    name = "rope_and_cache"
    chip = Chip.of(query.device)
    require_floats(name, query=query, key=key, value=value)
    require_cache(name, query, key_cache, value_cache, chip)
    require_indices(name, torch.int64, positions=positions, slot_mapping=slot_mapping)
    num_tokens, num_heads, head_size = query.shape
    num_kv_heads = key.shape[1]
    require(
        key.shape == value.shape == (num_tokens, num_kv_heads, head_size)
        and num_heads % num_kv_heads == 0,
        name,
        f"query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)} "
        "do not fit together",
    )
    require(
        key_cache.shape[2:] == key.shape[1:],
        name,
        f"key {tuple(key.shape)} and key_cache {tuple(key_cache.shape)} do not fit together",
    )
    require(
        key_scale > 0.0 and value_scale > 0.0,
        name,
        f"key_scale {key_scale} and value_scale {value_scale} are not both positive",
    )
    require(
        cos.dtype == sin.dtype == torch.float32
        and cos.shape == sin.shape
        and cos.shape[1] * 2 == head_size
        and cos.stride(1) == sin.stride(1) == 1,
        name,
        f"cos {cos.dtype} {tuple(cos.shape)} and sin {sin.dtype} {tuple(sin.shape)} are not "
        f"float32 [positions, {head_size // 2}]",
    )
    require(
        positions.shape == slot_mapping.shape == (num_tokens,),
        name,
        f"positions {tuple(positions.shape)} and slot_mapping {tuple(slot_mapping.shape)} are not "
        f"({num_tokens},)",
    )
    launches = rope_and_cache_launches(
        query,
        key,
        value,
        cos,
        sin,
        positions,
        key_cache,
        value_cache,
        slot_mapping,
        key_scale=key_scale,
        value_scale=value_scale,
        chip=chip,
    )
    for launch in launches:
        launch.run(query.device)
