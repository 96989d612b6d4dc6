"""The packed inputs of a step say what the layout says, and padding says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rostra.mesh.ops.base import StepLayout
from rostra.mesh.ops.triton_step import TritonStep

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def make_layout(lengths, num_blocks, seed=0):
    """Sequences of (new tokens, tokens before them) with random slots and blocks."""
    generator = np.random.default_rng(seed)
    query_start = np.cumsum([0, *(new for new, _ in lengths)], dtype=np.int32)
    return StepLayout(
        positions=np.concatenate([np.arange(old, old + new) for new, old in lengths]),
        slot_mapping=generator.permutation(10_000)[: query_start[-1]].astype(np.int64),
        query_start=query_start,
        seq_lens=np.array([new + old for new, old in lengths], dtype=np.int32),
        block_table=generator.integers(0, 100, (len(lengths), num_blocks), dtype=np.int32),
        block_size=16,
    )


def make_step(device="cpu", **changes):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    table = torch.zeros(1, 4, device=device)
    sizes = {
        "num_tokens": 40,
        "num_seqs": 8,
        "num_blocks": 9,
        "max_query_len": 5,
        "max_seq_len": 144,
    }
    return TritonStep(torch.device(device), [(table, table)], **(sizes | changes))


batches = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 100)), min_size=1, max_size=8)


@pytest.mark.parametrize("device", DEVICES)
@given(first=batches, second=batches, num_blocks=st.integers(1, 9), with_ids=st.booleans())
def test_a_step_holds_the_last_layout_and_padding(device, first, second, num_blocks, with_ids):
    step = make_step(device)
    kept = {name: value for name, value in vars(step).items() if isinstance(value, torch.Tensor)}
    step.fill(make_layout(first, 9, seed=1), np.full(sum(new for new, _ in first), 7))
    layout = make_layout(second, num_blocks, seed=2)
    tokens, seqs = len(layout.positions), len(second)
    ids = np.arange(tokens) + 3
    assert step.fill(layout, ids if with_ids else None) is step
    expected = {
        "token_ids": np.where(with_ids, ids, 0),
        "positions": layout.positions,
        "slot_mapping": layout.slot_mapping,
        "query_start": layout.query_start,
        "seq_lens": layout.seq_lens,
    }
    padding = {"slot_mapping": -1, "query_start": tokens}
    for name, values in expected.items():
        found = getattr(step, name).cpu().numpy()
        assert np.array_equal(found[: len(values)], values)
        assert (found[len(values) :] == padding.get(name, 0)).all()
    assert np.array_equal(step.block_table[:seqs, :num_blocks].cpu(), layout.block_table)
    # What a captured graph reads is where it was.
    for name, tensor in kept.items():
        assert getattr(step, name) is tensor


def test_a_new_step_is_padding():
    step = make_step()
    assert (step.slot_mapping == -1).all()
    for tensor in (step.query_start, step.seq_lens, step.positions, step.token_ids):
        assert not tensor.any()


def test_every_input_is_aligned():
    step = make_step(num_tokens=3, num_seqs=3)
    start = step.token_ids.data_ptr()
    for name in ("positions", "slot_mapping", "query_start", "seq_lens"):
        assert (getattr(step, name).data_ptr() - start) % 16 == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"num_tokens": 5},
        {"num_seqs": 1},
        {"num_blocks": 2},
        {"max_query_len": 3},
        {"max_seq_len": 23},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_layout_that_does_not_fit_is_refused(changes):
    layout = make_layout([(4, 20), (2, 0)], 3)
    make_step().fill(layout)
    with pytest.raises(ValueError, match="cannot hold 6 tokens of 2 sequences in 3 blocks"):
        make_step(**changes).fill(layout)
