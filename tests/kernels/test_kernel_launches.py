"""What a launch is decided from, and what the kernels refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import AttentionCase

from rostra.kernels.attention_tile import MAX_SEGMENTS, choose_segments, choose_tile
from rostra.kernels.chip import AHEAD_OF_TIME, Chip
from rostra.kernels.launch import KernelError
from rostra.kernels.paged_attention import paged_attention
from rostra.kernels.rms_norm import rms_norm
from rostra.kernels.rope_cache import rope_and_cache
from rostra.kernels.silu_and_mul import silu_and_mul

chips = st.sampled_from(list(AHEAD_OF_TIME.values()))


@given(
    max_query_len=st.integers(1, 10_000),
    group=st.integers(1, 128),
    head_size=st.integers(8, 256),
    itemsize=st.sampled_from([2, 4]),
    chip=chips,
)
def test_tiles(max_query_len, group, head_size, itemsize, chip):
    tile = choose_tile(max_query_len, group, head_size, itemsize, chip)
    assert tile.block_m >= max(16, group)
    assert 16 <= tile.block_n <= 64
    assert tile.num_stages >= 1
    for size in (tile.block_m, tile.block_n, tile.num_warps):
        assert size & (size - 1) == 0


@given(num_seqs=st.integers(1, 500), max_seq_len=st.integers(1, 10**6), chip=chips)
def test_segments_fill_the_chip_and_no_more(num_seqs, max_seq_len, chip):
    tile = choose_tile(1, 4, 128, 2, chip)
    segments = choose_segments(tile, 4, num_seqs * 8, max_seq_len, chip)
    assert 1 <= segments <= MAX_SEGMENTS
    assert segments == 1 or num_seqs * 8 < chip.multiprocessors
    assert segments == 1 or max_seq_len / segments >= 256


def test_one_long_sequence_is_split_and_many_are_not():
    chip = AHEAD_OF_TIME["sm_90"]
    tile = choose_tile(1, 4, 128, 2, chip)
    assert choose_segments(tile, 4, 8, 32_768, chip) > 8
    assert choose_segments(tile, 4, 8 * 64, 32_768, chip) == 1
    assert choose_segments(tile, 4, 8, 300, chip) == 1
    prefill = choose_tile(2048, 4, 128, 2, chip)
    assert choose_segments(prefill, 4 * 2048, 8, 32_768, chip) == 1


def test_a_processor_without_triton_is_named(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(KernelError, match=r"not on cpu: use rostra\.kernels\.reference"):
        Chip.of(torch.device("cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: lambda t: t.half()}, "key_cache is torch.float32 on cpu, query is torch.float16"),
        ({0: lambda t: t.double()}, "query is torch.float64, not float32"),
        ({0: lambda t: t[:, :8]}, "8 query heads over 3 key-value heads"),
        ({0: lambda t: t[..., ::2]}, "the last dimension of query has stride 2"),
        ({0: lambda t: t[..., :32]}, "do not fit together"),
        ({2: lambda t: t[:, :8]}, "do not fit together"),
        ({3: lambda t: t.long()}, "block_table is torch.int64, not torch.int32"),
        ({4: lambda t: t[1:]}, "disagree on the number of sequences"),
    ],
)
def test_attention_refuses(change, message):
    args, options = AttentionCase(((1, 20), (2, 3))).build()
    args = [change.get(i, lambda t: t)(arg) for i, arg in enumerate(args)]
    with pytest.raises(KernelError, match="paged_attention: .*" + message):
        paged_attention(*args, **options)


def test_attention_refuses_an_out_of_another_shape():
    args, options = AttentionCase(((2, 20),)).build()
    with pytest.raises(KernelError, match="out is"):
        paged_attention(*args, **options, out=args[0][:1])


def test_row_kernels_refuse():
    x = torch.zeros(2, 8)
    with pytest.raises(KernelError, match=r"rms_norm: x \(2, 8\) and weight \(4,\)"):
        rms_norm(x, torch.zeros(4), 1e-5)
    with pytest.raises(KernelError, match="residual is"):
        rms_norm(x, torch.zeros(8), 1e-5, torch.zeros(1, 8))
    with pytest.raises(KernelError, match=r"silu_and_mul: gate_up is \(2, 7\)"):
        silu_and_mul(torch.zeros(2, 7))


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (2, torch.zeros(2, 2, 8), "do not fit together"),
        (3, torch.zeros(9, 8), "are not float32"),
        (5, torch.zeros(2, dtype=torch.int32), "positions is torch.int32"),
        (7, torch.zeros(4, 8, 2, 8), "do not fit together"),
        (8, torch.zeros(3, dtype=torch.int64), "are not"),
    ],
)
def test_rope_refuses(index, value, message):
    cache = torch.zeros(4, 8, 1, 8)
    angles = torch.zeros(9, 4)
    place = torch.zeros(2, dtype=torch.int64)
    key = torch.zeros(2, 1, 8)
    args = [torch.zeros(2, 3, 8), key, key, angles, angles, place, cache, cache, place]
    args[index] = value
    with pytest.raises(KernelError, match="rope_and_cache: .*" + message):
        rope_and_cache(*args)


def test_importing_the_package_imports_neither_torch_nor_triton():
    """transformers imports a folder called `kernels` when it finds one."""
    code = "import sys, rostra.kernels; sys.exit('torch' in sys.modules or 'triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
