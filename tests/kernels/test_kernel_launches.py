"""What a launch is decided from, and what the kernels refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import FP8, AttentionCase

from rostra.kernels.activation import gelu_and_mul, silu_and_mul
from rostra.kernels.attention_tile import choose_tiles
from rostra.kernels.chip import AHEAD_OF_TIME, Chip
from rostra.kernels.launch import KernelError, Launch
from rostra.kernels.paged_attention import paged_attention, paged_attention_launches
from rostra.kernels.rms_norm import rms_norm
from rostra.kernels.rope_cache import rope_and_cache

chips = st.sampled_from(list(AHEAD_OF_TIME.values()))


def powers_of_two(*sizes):
    return all(size > 0 and size & (size - 1) == 0 for size in sizes)


@given(
    max_query_len=st.integers(1, 10_000),
    group=st.integers(1, 128),
    head_size=st.integers(8, 256),
    itemsize=st.sampled_from([2, 4]),
    one_byte=st.booleans(),
    chip=chips,
)
def test_tiles(max_query_len, group, head_size, itemsize, one_byte, chip):
    cache_itemsize = 1 if one_byte else itemsize
    tiles = choose_tiles(max_query_len, group, head_size, itemsize, cache_itemsize, chip)
    rows = max_query_len * group
    assert (tiles.tall is None) == (rows <= tiles.short.block_m)
    for tile in (tiles.short, tiles.tall or tiles.short):
        assert tile.block_m >= max(16, group)
        assert 16 <= tile.block_n <= 128
        assert tile.num_stages >= 1
        assert powers_of_two(tile.block_m, tile.block_n)
    assert powers_of_two(tiles.num_warps)
    assert tiles.resident >= 1


@pytest.mark.parametrize("cache_itemsize", [1, 2])
@pytest.mark.parametrize("head_size", [64, 128, 256])
@pytest.mark.parametrize("chip", ["sm_80", "sm_90", "sm_100"])
def test_decoding_keeps_the_memory_busy(chip, head_size, cache_itemsize):
    """Bandwidth times latency, some 18 KiB for each multiprocessor, must be under way."""
    tiles = choose_tiles(1, 4, head_size, 2, cache_itemsize, AHEAD_OF_TIME[chip])
    tile = tiles.short
    one = 2 * tile.block_n * head_size * cache_itemsize
    # While one tile is computed with, the rest of the stages are on their way.
    assert tiles.resident * (tile.num_stages - 2) * one >= 18 * 1024


def launches_of(num_seqs, query_len, max_seq_len, chip, heads=(32, 8), **options):
    def empty(*shape, dtype=torch.int32):
        return torch.empty(shape, dtype=dtype, device="meta")

    query = empty(num_seqs * query_len, heads[0], 128, dtype=torch.bfloat16)
    cache = empty(64, 16, heads[1], 128, dtype=torch.bfloat16)
    return paged_attention_launches(
        query,
        cache,
        cache,
        empty(num_seqs, 8192),
        empty(num_seqs + 1),
        empty(num_seqs),
        scale=1.0,
        max_query_len=query_len,
        max_seq_len=max_seq_len,
        sliding_window=None,
        soft_cap=None,
        key_scale=1.0,
        value_scale=1.0,
        out=torch.empty_like(query),
        chip=AHEAD_OF_TIME[chip],
        **options,
    )


@pytest.mark.parametrize("num_seqs", [1, 8, 32, 128])
def test_a_launch_for_the_longest_context_is_one_wave_and_one_program_a_sequence(num_seqs):
    tiles = choose_tiles(1, 4, 128, 2, 2, AHEAD_OF_TIME["sm_90"])
    attend, _ = launches_of(num_seqs, 1, 131_072, "sm_90")
    wave = tiles.resident * 132
    assert wave + 8 * num_seqs <= attend.grid[0] < wave + 8 * (num_seqs + 1)


def test_what_cannot_be_split_is_not_merged():
    assert len(launches_of(8, 1, 128, "sm_90")) == 1
    assert len(launches_of(8, 1, 129, "sm_90")) == 2


def test_bounds_of_the_lengths_do_not_choose_the_binary():
    """A graph captured for the longest context runs what short ones have compiled."""
    short, _ = launches_of(8, 1, 200, "sm_90")
    long, _ = launches_of(64, 1, 131_072, "sm_90")
    assert short.binary == long.binary


def test_a_processor_without_triton_is_named(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(KernelError, match=r"not on cpu: use rostra\.kernels\.reference"):
        Chip.of(torch.device("cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: lambda t: t.half()}, "key_cache is torch.float32 on cpu; .* torch.float16 or"),
        ({0: lambda t: t.double()}, "query is torch.float64, not float32"),
        ({0: lambda t: t[:, :8]}, "8 query heads over 3 key-value heads"),
        ({0: lambda t: t[..., ::2]}, "the last dimension of query has stride 2"),
        ({0: lambda t: t[..., :32]}, "do not fit together"),
        ({2: lambda t: t[:, :8]}, "differ in shape, type or strides"),
        ({1: lambda t: t[:, :7], 2: lambda t: t[:, :7]}, "7 tokens in a block"),
        ({3: lambda t: t.long()}, "block_table is torch.int64, not torch.int32"),
        ({4: lambda t: t[1:]}, "disagree on the number of sequences"),
    ],
)
def test_attention_refuses(monkeypatch, change, message):
    args, options = AttentionCase(((1, 20), (2, 3))).build()
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    args = [change.get(i, lambda t: t)(arg) for i, arg in enumerate(args)]
    with pytest.raises(KernelError, match="paged_attention: .*" + message):
        paged_attention(*args, **options)


def test_attention_refuses_an_out_of_another_shape(monkeypatch):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    args, options = AttentionCase(((2, 20),)).build()
    with pytest.raises(KernelError, match="out is"):
        paged_attention(*args, **options, out=args[0][:1])


@pytest.mark.parametrize("chip", AHEAD_OF_TIME)
def test_one_byte_caches_are_refused_where_nothing_converts_them(monkeypatch, chip):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME[chip])
    monkeypatch.setattr(Launch, "run", lambda launch, device: None)
    args, options = AttentionCase(((1, 20),), cache_dtype=FP8, dtype=torch.float16).build()
    if chip == "sm_80":
        with pytest.raises(KernelError, match=r"8\.9 or higher.*for 80 use torch\.float16"):
            paged_attention(*args, **options)
    else:
        assert paged_attention(*args, **options).shape == args[0].shape


def test_attention_refuses_a_scale_that_is_not_positive(monkeypatch):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    args, options = AttentionCase(((1, 20),)).build()
    with pytest.raises(KernelError, match=r"scale is -1\.0"):
        paged_attention(*args, **{**options, "scale": -1.0})


def test_row_kernels_refuse():
    x = torch.zeros(2, 8)
    with pytest.raises(KernelError, match=r"rms_norm: x \(2, 8\) and weight \(4,\)"):
        rms_norm(x, torch.zeros(4), 1e-5)
    with pytest.raises(KernelError, match="residual is"):
        rms_norm(x, torch.zeros(8), 1e-5, torch.zeros(1, 8))
    with pytest.raises(KernelError, match=r"silu_and_mul: gate_up is \(2, 7\)"):
        silu_and_mul(torch.zeros(2, 7))
    with pytest.raises(KernelError, match=r"gelu_and_mul: gate_up is \(2, 7\)"):
        gelu_and_mul(torch.zeros(2, 7))
    with pytest.raises(KernelError, match=r"rms_norm: weight is torch\.float16"):
        rms_norm(x, torch.zeros(8).half(), 1e-5)


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (2, torch.zeros(2, 2, 8), "do not fit together"),
        (3, torch.zeros(9, 8), "are not float32"),
        (3, None, "only one of cos and sin"),
        (5, torch.zeros(2, dtype=torch.int32), "positions is torch.int32"),
        (7, torch.zeros(4, 8, 2, 8), "differ in shape, type or strides"),
        (6, torch.zeros(4, 8, 1, 8).half(), "key_cache is torch.float16"),
        (8, torch.zeros(3, dtype=torch.int64), "are not"),
    ],
)
def test_rope_refuses(monkeypatch, index, value, message):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    cache = torch.zeros(4, 8, 1, 8)
    angles = torch.zeros(9, 4)
    place = torch.zeros(2, dtype=torch.int64)
    key = torch.zeros(2, 1, 8)
    args = [torch.zeros(2, 3, 8), key, key, angles, angles, place, cache, cache, place]
    args[index] = value
    with pytest.raises(KernelError, match="rope_and_cache: .*" + message):
        rope_and_cache(*args)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((torch.zeros(8), None), "only one of query_weight and key_weight"),
        ((torch.zeros(8), torch.zeros(4)), r"\(4,\); both have to be \(8,\)"),
        ((torch.zeros(8).half(), torch.zeros(8).half()), "of float32 or of torch.float32"),
        ((torch.zeros(8).half(), torch.zeros(8)), "of float32 or of torch.float32"),
    ],
)
def test_rope_refuses_weights(monkeypatch, weights, message):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    cache = torch.zeros(4, 8, 1, 8)
    place = torch.zeros(2, dtype=torch.int64)
    key = torch.zeros(2, 1, 8)
    args = [torch.zeros(2, 3, 8), key, key, None, None, place, cache, cache, place]
    with pytest.raises(KernelError, match="rope_and_cache: .*" + message):
        rope_and_cache(*args, query_weight=weights[0], key_weight=weights[1], eps=1e-6)


def test_importing_the_package_imports_neither_torch_nor_triton():
    """transformers imports a folder called `kernels` when it finds one."""
    code = "import sys, rostra.kernels; sys.exit('torch' in sys.modules or 'triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
