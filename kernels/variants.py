"""The launches that every chip must be able to compile.

Made by the same functions that serve real tensors, from tensors without data, so that a change of
tile, constant or argument in the launch code is what gets compiled here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rostra.kernels.activation import gelu_and_mul_launches, silu_and_mul_launches
from rostra.kernels.cache import FP8
from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch
from rostra.kernels.paged_attention import paged_attention_launches
from rostra.kernels.rms_norm import rms_norm_launches
from rostra.kernels.rope_cache import rope_and_cache_launches
from rostra.kernels.sampling import lowest_weight_kept_launches
from rostra.kernels.token_mask import apply_token_mask_launches
from rostra.kernels.variants_lora import lora_launches
from rostra.kernels.variants_matmul import matmul_launches
from rostra.kernels.variants_moe import moe_launches

PAGE = 16


@dataclass(frozen=True)
class Variant:
    name: str
    launch: Launch


@dataclass(frozen=True)
class Shape:
    """The sizes of a model that the kernels see."""

    num_heads: int
    num_kv_heads: int
    head_size: int
    hidden: int
    intermediate: int


SMOLLM2_135M = Shape(9, 3, 64, 576, 1536)
LLAMA3_8B = Shape(32, 8, 128, 4096, 14336)
PHI2 = Shape(32, 32, 80, 2560, 10240)
GEMMA2_9B = Shape(16, 8, 256, 3584, 14336)

BATCHES = {
    # name: (sequences, tokens in each, longest context)
    "decode": (256, 1, 4096),
    "verify": (8, 16, 4096),
    "prefill": (4, 512, 4096),
}
"""One for each set of tiles that the shapes of a batch can choose."""
EXTREMES = ("decode", "prefill")


def variants(chip: Chip) -> Iterator[Variant]:
    """Every kernel in every form the launch code picks on `chip`, each once."""
    seen = set()
    for variant in _all(chip):
        binary = variant.launch.binary
        if binary not in seen:
            seen.add(binary)
            yield variant


def _all(chip: Chip) -> Iterator[Variant]:
    """Everything in bfloat16 at the two usual head sizes; the other types and head sizes and the
    options of attention where the tile is smallest and largest.
    """
    cache_types = (torch.bfloat16, FP8) if chip.converts_fp8 else (torch.bfloat16,)
    for model in (SMOLLM2_135M, LLAMA3_8B):
        for cache in cache_types:
            yield from _rows(model, torch.bfloat16, chip, cache=cache)
        yield from _rows(model, torch.float16, chip)
        for batch in BATCHES:
            for cache in cache_types:
                yield from _attention(model, torch.bfloat16, batch, chip, cache=cache)
    for batch in EXTREMES:
        yield from _attention(LLAMA3_8B, torch.float16, batch, chip)
    yield from _rows(PHI2, torch.float32, chip)
    yield from _head_options(chip)
    for batch in EXTREMES:
        yield from _attention(SMOLLM2_135M, torch.float32, batch, chip)
        yield from _attention(LLAMA3_8B, torch.float32, batch, chip)
        yield from _attention(PHI2, torch.bfloat16, batch, chip)
        yield from _attention(LLAMA3_8B, torch.bfloat16, batch, chip, window=4096)
        for cache in cache_types:
            yield from _attention(
                GEMMA2_9B, torch.bfloat16, batch, chip, cache=cache, window=4096, soft_cap=50.0
            )
    for what, launch in (*matmul_launches(chip), *lora_launches(chip), *moe_launches(chip)):
        yield Variant(f"{launch.kernel.__name__}[{what}]", launch)
    yield from _sampling(chip)


def _attention(
    model: Shape,
    dtype: torch.dtype,
    batch: str,
    chip: Chip,
    *,
    cache: torch.dtype | None = None,
    window: int | None = None,
    soft_cap: float | None = None,
) -> Iterator[Variant]:
    num_seqs, query_len, seq_len = BATCHES[batch]
    query = _empty(num_seqs * query_len, model.num_heads, model.head_size, dtype=dtype)
    pages = _cache(model, cache or dtype)
    launches = paged_attention_launches(
        query,
        pages,
        pages,
        _empty(num_seqs, seq_len // PAGE, dtype=torch.int32),
        _empty(num_seqs + 1, dtype=torch.int32),
        _empty(num_seqs, dtype=torch.int32),
        scale=model.head_size**-0.5,
        max_query_len=query_len,
        max_seq_len=seq_len,
        sliding_window=window,
        soft_cap=soft_cap,
        key_scale=1.0,
        value_scale=1.0,
        out=torch.empty_like(query),
        chip=chip,
    )
    options = f"{'-window' if window else ''}{'-cap' if soft_cap else ''}"
    options += "-fp8" if cache == FP8 else ""
    yield from _named(launches, f"{batch}{options}", model, dtype)


def _rows(
    model: Shape, dtype: torch.dtype, chip: Chip, *, cache: torch.dtype | None = None
) -> Iterator[Variant]:
    """The kernels that work on each token by itself."""
    rope = _rope(model, dtype, chip, cache=cache)
    yield from _named(rope, "rope-fp8" if cache == FP8 else "rope", model, dtype)

    num_tokens = 64
    x = _empty(num_tokens, model.hidden, dtype=dtype)
    weight = _empty(model.hidden, dtype=dtype)
    norm = rms_norm_launches(x, weight, 1e-5, None, out=x, chip=chip)
    yield from _named(norm, "norm", model, dtype)
    add_norm = rms_norm_launches(x, weight, 1e-5, x, out=x, chip=chip)
    yield from _named(add_norm, "add-norm", model, dtype)

    gate_up = _empty(num_tokens, 2 * model.intermediate, dtype=dtype)
    out = _empty(num_tokens, model.intermediate, dtype=dtype)
    yield from _named(silu_and_mul_launches(gate_up, out=out, chip=chip), "silu", model, dtype)


def _head_options(chip: Chip) -> Iterator[Variant]:
    """What some families do beyond the usual: Gemma 3 norms heads, by weights of float32; the
    smaller Phi-4 rotates three quarters of a head, and some layers of SmolLM3 nothing."""
    dtype = torch.bfloat16
    for weight_dtype in (dtype, torch.float32):
        rope = _rope(GEMMA2_9B, dtype, chip, weight_dtype=weight_dtype)
        what = f"rope-norm-{str(weight_dtype).removeprefix('torch.')}"
        yield from _named(rope, what, GEMMA2_9B, dtype)
    partial = _rope(LLAMA3_8B, dtype, chip, rotated=96)
    yield from _named(partial, "rope-part", LLAMA3_8B, dtype)
    both = _rope(LLAMA3_8B, dtype, chip, rotated=96, weight_dtype=dtype)
    yield from _named(both, "rope-part-norm", LLAMA3_8B, dtype)
    yield from _named(_rope(LLAMA3_8B, dtype, chip, rotated=0), "no-rope", LLAMA3_8B, dtype)

    x = _empty(64, GEMMA2_9B.hidden, dtype=dtype)
    weight = _empty(GEMMA2_9B.hidden, dtype=torch.float32)
    norm = rms_norm_launches(x, weight, 1e-6, x, out=x, chip=chip)
    yield from _named(norm, "add-norm-float32", GEMMA2_9B, dtype)
    gate_up = _empty(64, 2 * GEMMA2_9B.intermediate, dtype=dtype)
    out = _empty(64, GEMMA2_9B.intermediate, dtype=dtype)
    gelu = gelu_and_mul_launches(gate_up, out=out, chip=chip)
    yield from _named(gelu, "gelu", GEMMA2_9B, dtype)


def _rope(
    model: Shape,
    dtype: torch.dtype,
    chip: Chip,
    *,
    cache: torch.dtype | None = None,
    rotated: int | None = None,
    weight_dtype: torch.dtype | None = None,
) -> list[Launch]:
    num_tokens = 64
    query = _empty(num_tokens, model.num_heads, model.head_size, dtype=dtype)
    key = _empty(num_tokens, model.num_kv_heads, model.head_size, dtype=dtype)
    half = (model.head_size if rotated is None else rotated) // 2
    angles = _empty(8192, half, dtype=torch.float32) if half else None
    weight = None if weight_dtype is None else _empty(model.head_size, dtype=weight_dtype)
    index = _empty(num_tokens, dtype=torch.int64)
    pages = _cache(model, cache or dtype)
    return rope_and_cache_launches(
        query,
        key,
        key,
        angles,
        angles,
        index,
        pages,
        pages,
        index,
        query_weight=weight,
        key_weight=weight,
        eps=1e-6,
        key_scale=1.0,
        value_scale=1.0,
        chip=chip,
    )


def _sampling(chip: Chip) -> Iterator[Variant]:
    weights = _empty(64, 128_256, dtype=torch.float32)
    number = _empty(64, dtype=torch.float32)
    top_k = _empty(64, dtype=torch.int32)
    top_p = _empty(64, dtype=torch.float64)
    for launch in lowest_weight_kept_launches(weights, top_k, top_p, number, out=number, chip=chip):
        yield Variant(launch.kernel.__name__, launch)
    words = _empty(64, 128_256 // 32, dtype=torch.int32)
    rows = _empty(64, dtype=torch.int64)
    for launch in apply_token_mask_launches(weights, words, rows):
        yield Variant(launch.kernel.__name__, launch)


def _named(
    launches: list[Launch], what: str, model: Shape, dtype: torch.dtype
) -> Iterator[Variant]:
    type_name = str(dtype).removeprefix("torch.")
    for launch in launches:
        name = f"{launch.kernel.__name__}[{what}, {type_name}, head size {model.head_size}]"
        yield Variant(name, launch)


def _cache(model: Shape, dtype: torch.dtype) -> torch.Tensor:
    return _empty(1024, PAGE, model.num_kv_heads, model.head_size, dtype=dtype)


def _empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")
