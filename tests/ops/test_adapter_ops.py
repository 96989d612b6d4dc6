"""Adapters on a CPU: each token's own, the same whoever rides with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_cases import TOLERANCE, make_ops, make_step, tables

from rostra.mesh.ops.base import AdapterWeights
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native.recording import HostCapture
from rostra.mesh.ops.triton_step import TritonStep

IMPLEMENTATIONS = ["torch", "compiled"]


def make_weights(generator, ranks, max_rank, depth, outputs, dtype):
    """What is beyond an adapter's rank is poison."""
    a = torch.full((len(ranks), len(outputs), max_rank, depth), float("nan"))
    b = torch.full((len(ranks), max_rank, sum(outputs)), float("nan"))
    for slot, rank in enumerate(ranks):
        a[slot, :, :rank] = torch.randn(len(outputs), rank, depth, generator=generator)
        b[slot, :rank] = torch.randn(rank, sum(outputs), generator=generator)
    scale = (depth * max(1, *ranks)) ** -0.25
    ranks = torch.tensor(ranks, dtype=torch.int32)
    return AdapterWeights((a * scale).to(dtype), (b * scale).to(dtype), ranks, tuple(outputs))


def expected(x, out, weights, slots):
    out = out.double()
    for token, slot in enumerate(slots):
        rank = int(weights.ranks[slot]) if slot >= 0 else 0
        start = 0
        for output, size in enumerate(weights.outputs):
            hidden = weights.a[slot, output, :rank].double() @ x[token].double()
            columns = slice(start, start + size)
            out[token, columns] += hidden @ weights.b[slot, :rank, columns].double()
            start += size
    return out


def make_layout(lengths, slots):
    """Sequences of these many new tokens; `slots` of each."""
    batch = [(length, length) for length in lengths]
    layout = make_step(torch.Generator().manual_seed(0), batch, 16)[0]
    return replace_slots(layout, slots)


def replace_slots(layout, slots):
    adapter_slots = np.array(slots, np.int32)
    return replace(layout, adapter_slots=adapter_slots if (adapter_slots >= 0).any() else None)


def add(implementation, dtype, layout, x, out, weights):
    ops = make_ops(implementation, dtype)
    step = ops.prepare(layout, [tables(64, 16)])
    if step.adapters is not None:
        ops.add_adapters(x, out, weights, step)
    return out


@settings(max_examples=60, deadline=None)
@given(
    sequences=st.lists(st.tuples(st.integers(1, 9), st.integers(-1, 2)), min_size=1, max_size=6),
    ranks=st.lists(st.sampled_from([0, 1, 2, 8, 32, 128]), min_size=3, max_size=3),
    depth=st.sampled_from([1, 7, 64, 100]),
    outputs=st.sampled_from([(24, 8, 8), (1030,), (1,), (33, 5)]),
    dtype=st.sampled_from(list(TOLERANCE)),
    implementation=st.sampled_from(IMPLEMENTATIONS),
    seed=st.integers(0, 2**30),
)
def test_adapters_of_any_step(sequences, ranks, depth, outputs, dtype, implementation, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths, slots = zip(*sequences, strict=True)
    weights = make_weights(generator, ranks, 128, depth, outputs, dtype)
    x = torch.randn(sum(lengths), depth, generator=generator).to(dtype)
    out = torch.randn(sum(lengths), sum(outputs), generator=generator).to(dtype)
    result = add(implementation, dtype, make_layout(lengths, slots), x, out.clone(), weights)
    by_token = np.repeat(slots, lengths)
    wanted = expected(x, out, weights, by_token)
    tolerance = {name: 4 * value for name, value in TOLERANCE[dtype].items()}
    torch.testing.assert_close(result.double(), wanted, **tolerance)
    untouched = torch.from_numpy(by_token < 0)
    assert torch.equal(result[untouched], out[untouched])


@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_token_is_the_same_to_the_last_bit_whoever_rides_with_it(num_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    generator = torch.Generator().manual_seed(3)
    weights = make_weights(generator, [16, 5, 256], 256, 576, (600, 200), torch.float32)
    lengths, slots = [1, 7, 3, 1, 20, 2], [0, 2, 1, 1, 0, 2]
    x = torch.randn(sum(lengths), 576, generator=generator)
    out = torch.randn(sum(lengths), 800, generator=generator)
    together = add("compiled", torch.float32, make_layout(lengths, slots), x, out.clone(), weights)
    token = 0
    for length, slot in zip(lengths, slots, strict=True):
        for _ in range(length):
            here = slice(token, token + 1)
            alone = add(
                "compiled",
                torch.float32,
                make_layout([1], [slot]),
                x[here],
                out[here].clone(),
                weights,
            )
            assert torch.equal(alone[0], together[token])
            token += 1
    torch.set_num_threads(before)


def test_a_step_on_a_gpu_is_told_the_tiles_of_its_adapters():
    sizes = {"num_tokens": 40, "num_seqs": 4, "num_blocks": 2}
    limits = {"max_query_len": 20, "max_seq_len": 20}
    step = TritonStep(torch.device("cpu"), [tables(64)], **sizes, **limits, num_adapter_slots=2)
    tokens, slots = step.adapters
    assert (slots == -1).all()
    step.fill(make_layout([3, 2, 18, 1], [1, -1, 0, 1]))
    tokens, slots = step.adapters
    assert [row[row >= 0].tolist() for row in tokens] == [
        list(range(5, 21)),
        [21, 22],
        [0, 1, 2, 23],
        [],
    ]
    assert slots.tolist() == [0, 0, 1, -1]
    step.fill(make_layout([3], [-1]))
    assert (slots == -1).all()
    with pytest.raises(ValueError, match=r"2 adapter slots, cannot hold .* with 3 adapter slots"):
        step.fill(make_layout([1], [2]))
    without = TritonStep(torch.device("cpu"), [tables(64)], **sizes, **limits)
    assert without.adapters is None
    with pytest.raises(ValueError, match="with 1 adapter slots"):
        without.fill(make_layout([1], [0]))


def test_a_recording_replays_other_adapters():
    generator = torch.Generator().manual_seed(4)
    ops = make_ops("compiled", torch.float32)
    weights = make_weights(generator, [4, 8], 8, 32, (16, 16), torch.float32)
    first, second = make_layout([1, 1], [0, -1]), make_layout([1, 1], [1, 0])
    sizes = {"num_tokens": 2, "num_seqs": 2, "num_blocks": 4}
    limits = {"max_query_len": 1, "max_seq_len": 64}
    step = ops.buffers([tables(64, 16)], **sizes, **limits, num_adapter_slots=2)
    x, base = torch.randn(2, 32, generator=generator), torch.zeros(2, 32)
    made = torch.zeros(2, 32)

    def work():
        out = base.clone()
        ops.add_adapters(x, out, weights, step)
        made.copy_(out)

    kernels = library()
    step.fill(first)
    replay = HostCapture(kernels)(work)
    torch.testing.assert_close(made.double(), expected(x, base, weights, [0, -1]))
    step.fill(second)
    replay()
    torch.testing.assert_close(made.double(), expected(x, base, weights, [1, 0]))
