"""The kernel takes out what the definition by bits takes out, and touches nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.kernels import reference
from rostra.kernels.launch import KernelError
from rostra.kernels.token_mask import BLOCK, apply_token_mask

FUNCTION = "rostra.kernels.token_mask.apply_token_mask"


@settings(max_examples=15, deadline=None)
@given(
    vocab=st.sampled_from([1, 31, 32, 33, 100, BLOCK, BLOCK + 37]),
    num_rows=st.integers(1, 4),
    stride=st.sampled_from([0, 5]),
    data=st.data(),
)
def test_tokens_are_taken_out_by_their_bits(run, vocab, num_rows, stride, data):
    rows = data.draw(st.lists(st.integers(0, num_rows - 1), min_size=1, unique=True))
    seed = data.draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_rows, vocab + stride, generator=generator)[:, :vocab]
    words = torch.randint(
        -(2**31), 2**31, (len(rows), -(-vocab // 32)), dtype=torch.int32, generator=generator
    )
    expected = logits.clone()
    reference.apply_token_mask(expected, words, torch.tensor(rows))
    _, (got, *_) = run(FUNCTION, logits, words, torch.tensor(rows))
    assert torch.equal(got, expected)
    for row, line in zip(rows, words.tolist(), strict=True):
        for token in range(vocab):
            allowed = line[token // 32] >> (token % 32) & 1
            assert bool(expected[row, token].isneginf()) != bool(allowed)


@pytest.mark.parametrize("word", [0, -1])
def test_all_or_none(run, word):
    logits = torch.randn(2, 70)
    words = torch.full((1, 3), word, dtype=torch.int32)
    _, (got, *_) = run(FUNCTION, logits, words, torch.tensor([1]))
    assert torch.equal(got[0], logits[0])
    assert torch.equal(got[1], logits[1]) if word else got[1].isneginf().all()


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, torch.rand(2, 40).double(), "logits is torch.float64"),
        (0, torch.rand(40, 2).T, r"logits is torch.float32 \(2, 40\), not"),
        (1, torch.zeros(2, 2), "words is torch.float32"),
        (1, torch.zeros(2, 3, dtype=torch.int32), r"words is torch.int32 \(2, 3\) on cpu"),
        (2, torch.zeros(2, dtype=torch.int32), "rows is torch.int32"),
    ],
)
def test_refusals(index, value, message):
    args = [torch.rand(2, 40), torch.zeros(2, 2, dtype=torch.int32), torch.tensor([0, 1])]
    args[index] = value
    with pytest.raises(KernelError, match="apply_token_mask: " + message):
        apply_token_mask(*args)
