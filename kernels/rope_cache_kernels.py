"""The kernel behind `rostra.kernels.rope_cache`."""

from __future__ import annotations

import triton
import triton.language as tl

LARGEST_FP8 = tl.constexpr(448.0)


@triton.jit
def _to_cache(x, factor, cached: tl.constexpr):  # type: ignore[no-untyped-def]
    """`x * factor` in the type of the cache; saturates there, but keeps NaN."""
    wide = x.to(tl.float32) * factor
    if cached.primitive_bitwidth == 8:
        wide = tl.clamp(wide, -LARGEST_FP8, LARGEST_FP8, propagate_nan=tl.PropagateNan.ALL)
    return wide.to(cached)


@triton.jit
def _turn(  # type: ignore[no-untyped-def]
    head_ptr,
    present,
    weight_ptr,
    eps,
    cos_ptr,
    sin_ptr,
    cache_ptr,
    cached,
    factor,
    HEAD_SIZE: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK_HALF: tl.constexpr,
    REST: tl.constexpr,
    BLOCK_REST: tl.constexpr,
    NORM: tl.constexpr,
    ROTATE: tl.constexpr,
    CACHE: tl.constexpr,
):
    """Norms and rotates the heads at `head_ptr` [rows, 1] in place, as far as each is wanted.

    The result also goes to the same place behind `cache_ptr` where CACHE says so, if `cached`.
    """
    half = tl.arange(0, BLOCK_HALF)[None, :]
    mask = present & (half < HALF)
    low = tl.load(head_ptr + half, mask=mask, other=0.0).to(tl.float32)
    high = tl.load(head_ptr + HALF + half, mask=mask, other=0.0).to(tl.float32)
    # What is behind the rotated part. Without any, one element that is masked away.
    behind = tl.arange(0, BLOCK_REST)[None, :]
    rest_mask = present & (behind < REST)
    behind += 2 * HALF
    rest = tl.load(head_ptr + behind, mask=rest_mask, other=0.0).to(tl.float32)
    if NORM:
        squares = tl.sum(low * low + high * high, 1) + tl.sum(rest * rest, 1)
        scale = tl.rsqrt(squares / HEAD_SIZE + eps)[:, None]
        low *= scale * tl.load(weight_ptr + half, mask=half < HALF, other=0.0).to(tl.float32)
        high_ptr = weight_ptr + HALF + half
        high *= scale * tl.load(high_ptr, mask=half < HALF, other=0.0).to(tl.float32)
        rest_ptr = weight_ptr + behind
        rest *= scale * tl.load(rest_ptr, mask=behind < HEAD_SIZE, other=0.0).to(tl.float32)
    if ROTATE:
        cos = tl.load(cos_ptr + half, mask=half < HALF, other=0.0)
        sin = tl.load(sin_ptr + half, mask=half < HALF, other=0.0)
        unrotated = low
        low = low * cos - high * sin
        high = high * cos + unrotated * sin
    element = head_ptr.dtype.element_ty
    low = low.to(element)
    high = high.to(element)
    rest = rest.to(element)
    if NORM or ROTATE:
        tl.store(head_ptr + half, low, mask=mask)
        tl.store(head_ptr + HALF + half, high, mask=mask)
    if NORM:
        tl.store(head_ptr + behind, rest, mask=rest_mask)
    if CACHE:
        kept: tl.constexpr = cache_ptr.dtype.element_ty
        tl.store(cache_ptr + half, _to_cache(low, factor, kept), mask=mask & cached)
        tl.store(cache_ptr + HALF + half, _to_cache(high, factor, kept), mask=mask & cached)
        tl.store(cache_ptr + behind, _to_cache(rest, factor, kept), mask=rest_mask & cached)


@triton.jit
def rope_and_cache_kernel(  # type: ignore[no-untyped-def]
    query_ptr,
    key_ptr,
    value_ptr,
    cos_ptr,
    sin_ptr,
    positions_ptr,
    query_weight_ptr,
    key_weight_ptr,
    key_cache_ptr,
    value_cache_ptr,
    slot_mapping_ptr,
    eps,
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
    HEAD_SIZE: tl.constexpr,
    BLOCK_HEAD: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK_HALF: tl.constexpr,
    REST: tl.constexpr,
    BLOCK_REST: tl.constexpr,
    PAGE: tl.constexpr,
    NORM: tl.constexpr,
    ROTATE: tl.constexpr,
):
    """One program for each token and key-value head, with the query heads that share it."""
    token = tl.program_id(0).to(tl.int64)
    kv_head = tl.program_id(1)
    if ROTATE:
        position = tl.load(positions_ptr + token)
        cos_ptr += position * cos_stride
        sin_ptr += position * sin_stride
    slot = tl.load(slot_mapping_ptr + token)
    cached = slot >= 0
    place = (slot // PAGE) * cache_stride_block + (slot % PAGE) * cache_stride_slot
    place += kv_head * cache_stride_head

    if NORM or ROTATE:
        group = tl.arange(0, BLOCK_GROUP)[:, None]
        head = kv_head * GROUP + group
        _turn(
            query_ptr + token * query_stride_token + head * query_stride_head,
            group < GROUP,
            query_weight_ptr,
            eps,
            cos_ptr,
            sin_ptr,
            key_cache_ptr,
            cached,
            key_factor,
            HEAD_SIZE,
            HALF,
            BLOCK_HALF,
            REST,
            BLOCK_REST,
            NORM,
            ROTATE,
            CACHE=False,
        )
    one = tl.zeros((1, 1), tl.int32)
    _turn(
        key_ptr + token * key_stride_token + kv_head * key_stride_head + one,
        one == 0,
        key_weight_ptr,
        eps,
        cos_ptr,
        sin_ptr,
        key_cache_ptr + place,
        cached,
        key_factor,
        HEAD_SIZE,
        HALF,
        BLOCK_HALF,
        REST,
        BLOCK_REST,
        NORM,
        ROTATE,
        CACHE=True,
    )
    element = tl.arange(0, BLOCK_HEAD)
    value_ptr += token * value_stride_token + kv_head * value_stride_head + element
    mask = (element < HEAD_SIZE) & cached
    value = tl.load(value_ptr, mask=mask)
    kept: tl.constexpr = value_cache_ptr.dtype.element_ty
    tl.store(value_cache_ptr + place + element, _to_cache(value, value_factor, kept), mask=mask)
