"""Recorded work gives what running it again would give."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from rostra.mesh.ops import QKNorm, StepLayout
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native.recording import HostCapture
from rostra.mesh.ops.native_cpu import NativeCpuOps

kernels = library()
pytestmark = pytest.mark.skipif(kernels is None, reason="no C++ compiler")


def make_layer(seed, quantization="none"):
    """A layer with every operation there is: a function of [T, 24] in place."""
    generator = torch.Generator().manual_seed(seed)
    ops = NativeCpuOps(kernels, torch.float32, quantization)
    weights = [torch.randn(n, k, generator=generator) / k**0.5 for n, k in ((48, 24), (24, 16))]
    qkv, down = (ops.linear(weight, None) for weight in weights)
    norm = torch.rand(24, generator=generator) + 0.5
    head_norm = QKNorm(*(torch.rand(2, 8, generator=generator) + 0.5), 1e-6)
    tables = []
    for half in (4, 3):
        angles = torch.randn(64, half, generator=generator)
        tables.append((angles.cos(), angles.sin()))
    caches = torch.zeros(2, 8, 4, 2, 8)

    def layer(x, residual, layout):
        step = ops.prepare(layout, tables)
        heads = qkv(ops.rms_norm(x, norm, 1e-5, residual)).unflatten(1, (-1, 8))
        query, key, value = heads.tensor_split((2, 4), 1)
        ops.rope_and_cache(query, key, value, *caches, step)
        attended = ops.paged_attention(query, *caches, 0.35, step)
        ops.rope_and_cache(query, key, value, *caches, step, table=1, norm=head_norm)
        nearby = ops.paged_attention(query, *caches, 0.35, step, sliding_window=3, soft_cap=2.0)
        both = torch.cat((attended.flatten(1), nearby.flatten(1)), 1)
        return down((ops.silu_and_mul(both) + ops.gelu_and_mul(both))[:, :16].contiguous())

    def buffers(num_tokens):
        return ops.buffers(
            tables,
            num_tokens=num_tokens,
            num_seqs=num_tokens,
            num_blocks=8,
            max_query_len=1,
            max_seq_len=32,
        )

    return layer, buffers, caches


def decode_layout(lengths):
    """One new token for each sequence, in blocks of four slots of their own."""
    lengths = np.array(lengths)
    table = np.arange(2 * len(lengths), dtype=np.int32).reshape(-1, 2)
    last = lengths - 1
    return StepLayout(
        positions=last.astype(np.int64),
        slot_mapping=table[np.arange(len(lengths)), last // 4].astype(np.int64) * 4 + last % 4,
        query_start=np.arange(len(lengths) + 1, dtype=np.int32),
        seq_lens=lengths.astype(np.int32),
        block_table=table,
        block_size=4,
    )


@pytest.mark.parametrize("quantization", ["none", "int8", "int4"])
def test_replays_follow_inputs_lengths_and_the_cache(quantization):
    generator = torch.Generator().manual_seed(1)
    layer, buffers, caches = make_layer(0, quantization)
    plain_layer, _, plain_caches = make_layer(0, quantization)
    caches.normal_(generator=generator)
    plain_caches.copy_(caches)
    x, residual, out = (torch.zeros(3, 24) for _ in range(3))
    step = buffers(3)

    def work():
        residual.add_(1.0)
        out.copy_(layer(x, residual, step))

    replay = None
    capture = HostCapture(kernels)
    with torch.inference_mode():
        for lengths in ([1, 2, 3], [2, 3, 4], [8, 1, 5]):
            layout = decode_layout(lengths)
            x.copy_(torch.randn(3, 24, generator=generator))
            residual.copy_(torch.randn(3, 24, generator=generator))
            expected_residual = residual + 1.0
            expected = plain_layer(x.clone(), expected_residual, layout)
            step.fill(layout)
            if replay is None:
                replay = capture(work)
            else:
                replay()
            assert torch.equal(out, expected)
            assert torch.equal(residual, expected_residual)
            assert torch.equal(caches, plain_caches)


def test_recordings_share_their_memory_and_not_their_results():
    capture = HostCapture(kernels)
    layer, buffers, _ = make_layer(0)
    recorded = {}
    with torch.inference_mode():
        for size in (4, 1, 3):
            x, residual, out = torch.randn(size, 24), torch.zeros(size, 24), torch.zeros(size, 24)
            step = buffers(size).fill(decode_layout([2] * size))

            def work(x=x, residual=residual, out=out, step=step):
                residual.zero_()
                out.copy_(layer(x, residual, step))

            replay = capture(work)
            recorded[size] = replay, out, out.clone()
        for size in (1, 4, 3, 1):
            replay, out, expected = recorded[size]
            out.zero_()
            replay()
            assert torch.equal(out, expected)


def test_a_decision_on_a_value_cannot_be_recorded():
    x = torch.ones(3)
    with pytest.raises(RuntimeError, match="cannot be recorded"):
        HostCapture(kernels)(lambda: x.mul_(x.sum().item()))
    # Nothing of the failed recording is left behind.
    y = torch.zeros(3)
    replay = HostCapture(kernels)(lambda: y.add_(x))
    replay()
    assert y.tolist() == [2.0, 2.0, 2.0]


def test_the_first_recording_does_not_wait_for_pytorchs_compiler():
    """Which takes seconds to load, while the first request waits; in a process of its own."""
    script = """
import sys, torch
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native.recording import HostCapture
numbers = torch.zeros(3)
HostCapture(library())(lambda: numbers.add_(1))()
print(numbers.tolist(), "torch._dynamo" in sys.modules)
"""
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=True
    ).stdout
    assert output == "[2.0, 2.0, 2.0] False\n"
