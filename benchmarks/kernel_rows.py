"""The kernels that work on each token by itself, and the products with quantised weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.kernel_timing import Timer, largest_error, tolerance
from benchmarks.results import Row
from rostra.kernels import reference
from rostra.kernels.activation import silu_and_mul
from rostra.kernels.cache import FP8
from rostra.kernels.chip import Chip
from rostra.kernels.launch import KernelError
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import WEIGHT_TYPES, can_multiply, quantized_matmul
from rostra.kernels.rms_norm import rms_norm
from rostra.kernels.rope_cache import rope_and_cache

ROW_GOAL = ">= 80 % of copy"


def _rope_arguments(
    num_tokens: int, device: str, dtype: torch.dtype, cache_dtype: torch.dtype
) -> list[Tensor]:
    """Of Llama 3 8B: 32 query heads of 128 over 8."""
    fused = torch.randn(num_tokens, 48, 128, device=device).to(dtype)
    angles = torch.rand(num_tokens, 64, device=device) * 100
    order = torch.randperm(num_tokens, device=device)
    cache = torch.zeros(-(-num_tokens // 16), 16, 8, 128, device=device).to(cache_dtype)
    query, key, value = fused.split([32, 8, 8], dim=1)
    positions = torch.arange(num_tokens, device=device)
    return [query, key, value, angles.cos(), angles.sin(), positions, cache, cache.clone(), order]


def checks(device: str, num_tokens: int) -> Iterator[Row]:
    dtype = torch.float16 if device == "cpu" else torch.bfloat16
    converts = Chip.of(torch.device(device)).converts_fp8
    for cache_dtype in (dtype, FP8) if converts and device != "cpu" else (dtype,):
        arguments = _rope_arguments(num_tokens, device, dtype, cache_dtype)
        expected = [argument.clone() for argument in arguments]
        rope_and_cache(*arguments)
        reference.rope_and_cache(*expected)
        for name, index in (("query", 0), ("key cache", 6), ("value cache", 7)):
            error = largest_error(arguments[index].float(), expected[index].float())
            limit = tolerance([dtype if index == 0 else cache_dtype])
            yield _check(f"rope, {name} {cache_dtype}", error, limit)
    x = torch.randn(num_tokens, 4096, device=device).to(dtype)
    weight = torch.randn(4096, device=device).to(dtype)
    error = largest_error(rms_norm(x, weight, 1e-5), reference.rms_norm(x, weight, 1e-5))
    yield _check("norm", error, tolerance([dtype]))
    error = largest_error(silu_and_mul(x), reference.silu_and_mul(x))
    yield _check("silu", error, tolerance([dtype]))
    for weight_type in filter(
        lambda t: can_multiply(t, Chip.of(torch.device(device))), WEIGHT_TYPES
    ):
        if device == "cpu" and weight_type == FP8:
            continue
        wide = torch.randn(256, 512, device=device)
        quantized, scale = quantize_weight(wide, weight_type)
        rows = torch.randn(min(num_tokens, 33), 512, device=device).to(dtype)
        expected_rows = rows.float() @ (quantized.float() * scale[:, None]).T
        error = largest_error(quantized_matmul(rows, quantized, scale), expected_rows)
        yield _check(f"matmul {weight_type}", error, tolerance([dtype]))


def _check(name: str, error: float, limit: float) -> Row:
    return {"check": name, "error": error, "right": error <= limit}


def rows(timer: Timer, copy_rate: float, quick: bool) -> Iterator[Row]:
    """Bytes moved in a second, as a share of what a copy moves."""
    for num_tokens in (64, 8192) if quick else (1, 64, 1024, 8192):
        for cache_dtype in (torch.bfloat16, FP8):
            arguments = _rope_arguments(num_tokens, "cuda", torch.bfloat16, cache_dtype)
            try:
                (seconds,) = timer.seconds(lambda a=arguments: rope_and_cache(*a))
            except KernelError:
                continue
            # Query and key in and out, value in, angles in, both caches out.
            moved = num_tokens * 128 * (2 * 40 * 2 + 8 * 2 + 4 + 16 * cache_dtype.itemsize)
            name = "rope and fp8 cache" if cache_dtype == FP8 else "rope and cache"
            yield _row(name, num_tokens, moved, seconds, copy_rate)
        x = torch.randn(num_tokens, 4096, device="cuda", dtype=torch.bfloat16)
        weight = torch.randn(4096, device="cuda", dtype=torch.bfloat16)
        residual = torch.randn_like(x)
        gate_up = torch.randn(num_tokens, 2 * 14_336, device="cuda", dtype=torch.bfloat16)
        norm, add_norm, silu = timer.seconds(
            lambda x=x, weight=weight: rms_norm(x, weight, 1e-5),
            lambda x=x, weight=weight, residual=residual: rms_norm(x, weight, 1e-5, residual),
            lambda gate_up=gate_up: silu_and_mul(gate_up),
        )
        yield _row("norm", num_tokens, 2 * x.nbytes, norm, copy_rate)
        yield _row("add and norm", num_tokens, 4 * x.nbytes, add_norm, copy_rate)
        yield _row("silu", num_tokens, gate_up.nbytes * 3 // 2, silu, copy_rate)


def _row(name: str, num_tokens: int, moved: int, seconds: float, copy_rate: float) -> Row:
    rate = moved / seconds
    return {
        "kernel": name,
        "tokens": num_tokens,
        "us": seconds * 1e6,
        "GB/s": rate / 1e9,
        "of copy": rate / copy_rate,
        # With few tokens it is the launch that takes the time.
        "goal": ROW_GOAL if num_tokens >= 8192 else "",
    }


def matmuls(timer: Timer, copy_rate: float, quick: bool) -> Iterator[Row]:
    """Weights of eight bits against the same product in bfloat16."""
    chip = Chip.of(torch.device("cuda"))
    for weight_type in filter(lambda dtype: can_multiply(dtype, chip), WEIGHT_TYPES):
        for columns, depth in ((4096, 4096), (28_672, 4096), (4096, 14_336)):
            weight = torch.randn(columns, depth, device="cuda", dtype=torch.bfloat16)
            quantized, scale = quantize_weight(weight, weight_type)
            for num_rows in (1, 64) if quick else (1, 16, 64, 128, 256, 1024):
                x = torch.randn(num_rows, depth, device="cuda", dtype=torch.bfloat16)
                ours, plain = timer.seconds(
                    lambda x=x, q=quantized, s=scale: quantized_matmul(x, q, s),
                    lambda x=x, w=weight: functional.linear(x, w),
                )
                moved = quantized.nbytes + x.nbytes + 2 * num_rows * columns
                yield {
                    "kernel": f"matmul {str(weight_type).removeprefix('torch.')}",
                    "rows": num_rows,
                    "weight": f"{columns}x{depth}",
                    "us": ours * 1e6,
                    "bfloat16 us": plain * 1e6,
                    "faster by": plain / ours,
                    "of copy": moved / ours / copy_rate,
                    "goal": ">= 1.6 faster" if num_rows <= 64 else "",
                }
