"""Norm and rotary position embedding of query and key, and the write of key and value to the cache.

One pass: the rotated key goes straight from registers to its slot.
"""

from __future__ import annotations

import torch

from rostra.kernels.cache import require_cache
from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    next_power_of_2,
    require,
    require_floats,
    require_indices,
)
from rostra.kernels.rope_cache_kernels import rope_and_cache_kernel


def rope_and_cache_launches(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cos: torch.Tensor | None,
    sin: torch.Tensor | None,
    positions: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    slot_mapping: torch.Tensor,
    *,
    query_weight: torch.Tensor | None,
    key_weight: torch.Tensor | None,
    eps: float,
    key_scale: float,
    value_scale: float,
    chip: Chip,
) -> list[Launch]:
    """What `rope_and_cache` runs on `chip`."""
    num_tokens, num_heads, head_size = query.shape
    num_kv_heads = key.shape[1]
    group = num_heads // num_kv_heads
    half = head_size // 2 if cos is None else cos.shape[1]
    rest = head_size - 2 * half
    block_half = next_power_of_2(half)
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
                "query_weight_ptr": query_weight,
                "key_weight_ptr": key_weight,
                "key_cache_ptr": key_cache,
                "value_cache_ptr": value_cache,
                "slot_mapping_ptr": slot_mapping,
                "eps": float(eps),
                "key_factor": 1.0 / key_scale,
                "value_factor": 1.0 / value_scale,
                "query_stride_token": query.stride(0),
                "query_stride_head": query.stride(1),
                "key_stride_token": key.stride(0),
                "key_stride_head": key.stride(1),
                "value_stride_token": value.stride(0),
                "value_stride_head": value.stride(1),
                "cos_stride": 0 if cos is None else cos.stride(0),
                "sin_stride": 0 if sin is None else sin.stride(0),
                "cache_stride_block": key_cache.stride(0),
                "cache_stride_slot": key_cache.stride(1),
                "cache_stride_head": key_cache.stride(2),
            },
            constants={
                "GROUP": group,
                "BLOCK_GROUP": block_group,
                "HEAD_SIZE": head_size,
                "BLOCK_HEAD": next_power_of_2(head_size),
                "HALF": half,
                "BLOCK_HALF": block_half,
                "REST": rest,
                "BLOCK_REST": next_power_of_2(rest),
                "PAGE": key_cache.shape[1],
                "NORM": query_weight is not None,
                "ROTATE": cos is not None,
            },
            # Some eight elements for each lane.
            num_warps=max(1, min(8, block_group * block_half // (8 * chip.warp_size))),
        )
    ]


def rope_and_cache(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cos: torch.Tensor | None,
    sin: torch.Tensor | None,
    positions: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    slot_mapping: torch.Tensor,
    *,
    query_weight: torch.Tensor | None = None,
    key_weight: torch.Tensor | None = None,
    eps: float = 0.0,
    key_scale: float = 1.0,
    value_scale: float = 1.0,
) -> None:
    """Norm and rotate `query` and `key` in place and write that key and the value to the cache.

    Of the first R dimensions, i and i + R / 2 form a pair (GPT-NeoX, and Llama in transformers):
    low' = low cos - high sin, high' = high cos + low sin (RoFormer, arXiv 2104.09864); the others
    stay. With weights, each head x is x / sqrt(mean(x^2) + eps) * weight before that (Henry et
    al., arXiv 2010.04245; with a mean as in Qwen3 and Gemma 3). All in float32, rounded once.

    query: [T, Hq, D], key, value: [T, Hkv, D]; float32, bfloat16 or float16. May be views into one
        tensor, as long as the last dimension is contiguous.
    cos, sin: [P, R / 2] float32, a row for each position, 0 < R <= D; without them nothing is
        rotated.
    positions: [T] int64 in 0 : P.
    key_cache, value_cache: [N, B, Hkv, D] of the same type or float8_e4m3fn, with the same strides.
        B is a power of two. What is beyond the range of the type, +-448, is stored as its end.
    slot_mapping: [T] int64; slot s is entry s % B of block s // B, and no two tokens share one. For
        a negative slot nothing is written.
    query_weight, key_weight: [D], both float32 or both of the type of `query`; without them nothing
        is normed.
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
    _require_tables(name, head_size, cos, sin)
    _require_weights(name, query, query_weight, key_weight)
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
        query_weight=query_weight,
        key_weight=key_weight,
        eps=eps,
        key_scale=key_scale,
        value_scale=value_scale,
        chip=chip,
    )
    for launch in launches:
        launch.run(query.device)


def _require_tables(
    name: str, head_size: int, cos: torch.Tensor | None, sin: torch.Tensor | None
) -> None:
    require((cos is None) == (sin is None), name, "only one of cos and sin is given")
    if cos is None or sin is None:
        return
    require(
        cos.dtype == sin.dtype == torch.float32
        and cos.shape == sin.shape
        and 0 < cos.shape[1] * 2 <= head_size
        and cos.stride(1) == sin.stride(1) == 1,
        name,
        f"cos {cos.dtype} {tuple(cos.shape)} and sin {sin.dtype} {tuple(sin.shape)} are not "
        f"float32 [positions, up to {head_size // 2}]",
    )


def _require_weights(
    name: str,
    query: torch.Tensor,
    query_weight: torch.Tensor | None,
    key_weight: torch.Tensor | None,
) -> None:
    given = [weight for weight in (query_weight, key_weight) if weight is not None]
    require(len(given) != 1, name, "only one of query_weight and key_weight is given")
    for weight in given:
        require(
            weight.dtype == given[0].dtype
            and weight.dtype in (torch.float32, query.dtype)
            and weight.shape == query.shape[2:]
            and weight.stride(0) == 1,
            name,
            f"a weight is {weight.dtype} {tuple(weight.shape)}; both have to be "
            f"({query.shape[2]},) of float32 or of {query.dtype}",
        )
