"""Paged attention against its reference, the card's bandwidth, and PyTorch's own attention."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.kernel_batches import Batch, cache_bytes
from benchmarks.kernel_timing import Kernel, Timer, largest_error, tolerance
from benchmarks.results import Row
from rostra.kernels import reference
from rostra.kernels.cache import FP8
from rostra.kernels.chip import Chip

DECODE_GOAL = ">= 90 % of copy"
PREFILL_GOAL = ">= 70 % of SDPA"
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "mem-efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def checks(device: str, scale: int) -> Iterator[Row]:
    """Every form of the kernel against the reference. `scale` multiplies the lengths."""
    s = scale
    batches = {
        "decode": [(1, 7 * s), (1, s), (1, 40 * s + 1), (1, 3)],
        "decode, one long": [(1, 90 * s + 3)] + [(1, s)] * 3,
        "verify": [(5, 20 * s), (3, 9 * s), (1, 12 * s)],
        "prefill": [(9 * s, 9 * s), (5 * s + 3, 11 * s)],
        "mixed": [(1, 30 * s), (8 * s + 5, 20 * s), (1, 9 * s), (3, 3 * s)],
        "padded": [(1, 10 * s), (1, 4 * s), (0, 0), (0, 0)],
    }
    on_cpu = device == "cpu"
    types: list[tuple[torch.dtype, torch.dtype | None]] = [(torch.float16, None)]
    if not on_cpu:
        # Triton's interpreter multiplies no bfloat16.
        types.append((torch.bfloat16, None))
    if Chip.of(torch.device(device)).converts_fp8:
        types.append((torch.float16, FP8))
    heads = [(4, 2)] if on_cpu else [(8, 8), (9, 3), (32, 8), (14, 2), (16, 1)]
    for name, lengths in batches.items():
        for num_heads, num_kv_heads in heads:
            for head_size in (16,) if on_cpu else (64, 80, 128, 256):
                for dtype, cache_dtype in types:
                    # The bound of a captured graph lies far above the lengths.
                    batch = Batch(
                        lengths,
                        num_heads,
                        num_kv_heads,
                        head_size,
                        dtype,
                        cache_dtype,
                        max_seq_len=1000 * s,
                        device=device,
                    )
                    expected = reference.paged_attention(*batch.args, **batch.options)
                    error = largest_error(batch.run(), expected)
                    computed = [dtype] if cache_dtype is None else [dtype, torch.float16]
                    yield {
                        "check": f"attention, {name}",
                        "heads": f"{num_heads}/{num_kv_heads}",
                        "head size": head_size,
                        "type": str(dtype).removeprefix("torch."),
                        "fp8 cache": cache_dtype is not None,
                        "error": error,
                        "right": error <= tolerance(computed),
                    }


def decode(timer: Timer, copy_rate: float, quick: bool) -> Iterator[Row]:
    """One token a sequence: bytes moved in a second, as a share of what a copy moves."""
    cases = [
        (batch, context, 128, group, None)
        for context in ((4096, 32_768) if quick else (1024, 4096, 16_384, 131_072))
        for batch in ((1, 32) if quick else (1, 8, 32, 128))
        for group in ((4,) if quick else (1, 4, 8, 16))
    ]
    cases += [
        (batch, context, head_size, 4, None)
        for head_size in (64, 256)
        for batch in ((32,) if quick else (1, 32, 128))
        for context in ((4096,) if quick else (4096, 32_768))
    ]
    if Chip.of(torch.device("cuda")).converts_fp8:
        cases += [
            (batch, context, head_size, 4, FP8)
            for head_size in ((128,) if quick else (64, 128, 256))
            for batch in (1, 32)
            for context in (4096, 32_768)
        ]
    for num_seqs, context, head_size, group, cache_dtype in cases:
        needed = cache_bytes(num_seqs * context, 8, head_size, 1 if cache_dtype else 2)
        if needed > 0.5 * torch.cuda.mem_get_info()[0]:
            continue
        lengths = [(1, context)] * num_seqs
        batch = Batch(
            lengths, 8 * group, 8, head_size, cache_dtype=cache_dtype, max_seq_len=131_072
        )
        yield _decoded(timer, copy_rate, "decode", batch)
        del batch
    yield from _uneven(timer, copy_rate, quick)


def _uneven(timer: Timer, copy_rate: float, quick: bool) -> Iterator[Row]:
    long = 32_768 if quick else 131_072
    for name, lengths in (
        ("decode, one long", [(1, long)] + [(1, 1024)] * 31),
        ("decode, ragged", [(1, 512 * (i + 1)) for i in range(32)]),
        ("verify 5", [(5, 16_384)] * 8),
    ):
        yield _decoded(timer, copy_rate, name, Batch(lengths, 32, 8, 128, max_seq_len=131_072))


def _decoded(timer: Timer, copy_rate: float, name: str, batch: Batch) -> Row:
    (seconds,) = timer.seconds(batch.run)
    rate = batch.num_bytes / seconds
    # A small batch is over before a card moves at its full rate: so is a copy as large.
    same = timer.copy_rate(min(batch.num_bytes, 2**31))
    return {
        "kernel": name,
        "sequences": len(batch.lengths),
        "context": max(context for _, context in batch.lengths),
        "head size": batch.head_size,
        "group": batch.num_heads // batch.num_kv_heads,
        "fp8 cache": batch.cache_dtype is not None,
        "us": seconds * 1e6,
        "GB/s": rate / 1e9,
        "of copy": rate / copy_rate,
        "of a copy as large": rate / same,
        "goal": DECODE_GOAL,
    }


def prefill(timer: Timer, matmul_rate: float, quick: bool) -> Iterator[Row]:
    """A causal prompt against every backend of PyTorch, which reads contiguous keys."""
    lengths = (1024, 4096) if quick else (1024, 2048, 4096, 8192, 16_384)
    shapes = [(32, 8, 128)] if quick else [(32, 8, 128), (32, 8, 64), (16, 8, 256), (32, 32, 128)]
    for num_heads, num_kv_heads, head_size in shapes:
        for length in lengths:
            num_seqs = max(1, 4096 // length)
            batch = Batch([(length, length)] * num_seqs, num_heads, num_kv_heads, head_size)
            peers = dict(_peers(num_seqs, length, num_heads, num_kv_heads, head_size))
            ours, *others = timer.seconds(batch.run, *peers.values())
            fastest = min(others, default=float("nan"))
            yield {
                "kernel": "prefill",
                "sequences": num_seqs,
                "length": length,
                "heads": f"{num_heads}/{num_kv_heads}",
                "head size": head_size,
                "us": ours * 1e6,
                **{f"{name} us": t * 1e6 for name, t in zip(peers, others, strict=True)},
                "TFLOP/s": batch.flop / ours / 1e12,
                "of matmul": batch.flop / ours / matmul_rate,
                "of SDPA": fastest / ours,
                "goal": PREFILL_GOAL,
            }


def _peers(
    num_seqs: int, length: int, num_heads: int, num_kv_heads: int, head_size: int
) -> Iterator[tuple[str, Kernel]]:
    """The backends that take the shape."""

    def random(heads: int) -> Tensor:
        shape = (num_seqs, heads, length, head_size)
        return torch.randn(shape, device="cuda", dtype=torch.bfloat16)

    query, key, value = random(num_heads), random(num_kv_heads), random(num_kv_heads)
    group = num_heads // num_kv_heads
    wide_key, wide_value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    for name, backend in BACKENDS.items():
        grouped = name != "mem-efficient" and group > 1
        k, v = (key, value) if grouped else (wide_key, wide_value)

        def attend(
            backend: SDPBackend = backend, k: Tensor = k, v: Tensor = v, grouped: bool = grouped
        ) -> Tensor:
            with sdpa_kernel(backend):
                return functional.scaled_dot_product_attention(
                    query, k, v, is_causal=True, enable_gqa=grouped
                )

        try:
            attend()
        except RuntimeError:
            continue
        yield name, attend


def mixed(timer: Timer, quick: bool) -> Iterator[Row]:
    """A prompt and decoding sequences in one launch, against one launch for each."""
    for new, num_decoding, context in (
        ((2048, 32, 4096),)
        if quick
        else ((512, 64, 4096), (2048, 32, 4096), (2048, 1, 131_072), (8192, 32, 16_384))
    ):
        prompt, decoding = [(new, new)], [(1, context)] * num_decoding
        both, alone, beside = (
            Batch(lengths, 32, 8, 128, max_seq_len=131_072)
            for lengths in (prompt + decoding, prompt, decoding)
        )
        together, first, second = timer.seconds(both.run, alone.run, beside.run)
        yield {
            "kernel": "mixed",
            "new": new,
            "decoding": num_decoding,
            "context": context,
            "us": together * 1e6,
            "prefill alone us": first * 1e6,
            "decode alone us": second * 1e6,
            "of both": together / (first + second),
            "goal": "<= 1 of both",
        }
