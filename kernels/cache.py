"""What the kernels that read or write the key-value cache ask of it."""

from __future__ import annotations

import torch

from rostra.kernels.chip import Chip
from rostra.kernels.launch import require, require_rows

FP8 = torch.float8_e4m3fn


def require_cache(
    function: str,
    like: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    chip: Chip,
) -> None:
    """Both caches [N, B, Hkv, D], alike in shape and strides, of the type and on the device of
    `like` or of type float8_e4m3fn where `chip` converts it. B is a power of two.
    """
    for name, cache in (("key_cache", key_cache), ("value_cache", value_cache)):
        require(
            cache.dtype in (like.dtype, FP8) and cache.device == like.device,
            function,
            f"{name} is {cache.dtype} on {cache.device}; with a query that is {like.dtype} on "
            f"{like.device} it may be {like.dtype} or {FP8}",
        )
        require_rows(function, name, cache)
    require(
        key_cache.dtype != FP8 or chip.converts_fp8,
        function,
        f"a cache of {FP8} needs an NVIDIA GPU of compute capability 8.9 or higher, or an AMD GPU; "
        f"for {chip.arch} use {like.dtype}",
    )
    require(
        key_cache.shape == value_cache.shape
        and key_cache.dtype == value_cache.dtype
        and key_cache.stride() == value_cache.stride(),
        function,
        f"key_cache {tuple(key_cache.shape)} and value_cache {tuple(value_cache.shape)} differ in "
        "shape, type or strides",
    )
    page = key_cache.shape[1]
    require(page & (page - 1) == 0, function, f"{page} tokens in a block is not a power of two")
