"""What the search keeps is what a sort keeps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rostra.kernels import reference
from rostra.kernels.launch import KernelError
from rostra.kernels.sampling import BLOCK, lowest_weight_kept

FUNCTION = "rostra.kernels.sampling.lowest_weight_kept"
VOCABS = [1, 2, 100, BLOCK + 3]


def distribution(kind, num_rows, vocab, generator):
    """Weights of one shape of distribution, the largest of a row 1 or near it."""
    noise = torch.randn(num_rows, vocab, generator=generator)
    if kind == "random":
        return (noise * 3).softmax(-1)
    if kind == "peaked":
        return (noise * 30 - (noise * 30).amax(-1, keepdim=True)).exp()
    if kind == "flat":
        return torch.ones(num_rows, vocab)
    if kind == "tied":
        return (noise.mul(2).round() * 2).exp()
    if kind == "one left":
        return torch.zeros(num_rows, vocab).index_fill_(1, torch.tensor([vocab // 2]), 0.7)
    # Down to the smallest numbers there are.
    return torch.rand(num_rows, vocab, generator=generator) * 2.0**-126


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(["random", "peaked", "flat", "tied", "one left", "tiny"]),
    vocab=st.sampled_from(VOCABS),
    rows=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 5, 50, 1000, 10**6]),
            st.sampled_from([1.0, 0.0, 1e-9, 0.1, 0.5, 0.9, 0.95, 0.999999]) | st.floats(0, 1),
            st.sampled_from([0.0, 0.05, 0.5, 1.0]),
        ),
        min_size=1,
        max_size=3,
    ),
    top_p_type=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 2**31),
)
def test_floors_are_those_of_a_sort(run, kind, vocab, rows, top_p_type, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = distribution(kind, len(rows), vocab, generator)
    top_k, top_p, min_p = zip(*rows, strict=True)
    args = (
        weights,
        torch.tensor(top_k, dtype=torch.int32),
        torch.tensor(top_p, dtype=top_p_type),
        torch.tensor(min_p),
    )
    floor, _ = run(FUNCTION, *args)
    expected = reference.lowest_weight_kept(*args)
    differs = floor != expected
    if not differs.any():
        return
    # Sums made in another order may differ in the last bit of float64, and only that may move the
    # end of the nucleus: the share of what one keeps and the other does not must be that small.
    for row in differs.nonzero()[:, 0].tolist():
        kept = [weights[row][weights[row] >= x[row]].double() for x in (floor, expected)]
        left = weights[row].double().sum()
        wanted = float(top_p[row]) * left
        smaller = min(kept, key=len)
        assert abs(smaller.sum() - wanted) <= 1e-12 * left


def test_a_large_vocabulary(run):
    weights = distribution("random", 1, 3 * BLOCK + 1, torch.Generator().manual_seed(0))
    args = (torch.zeros(1, dtype=torch.int32), torch.tensor([0.97]), torch.zeros(1))
    floor, _ = run(FUNCTION, weights, *args)
    assert torch.equal(floor, reference.lowest_weight_kept(weights, *args))


def test_all_off_keeps_all(run):
    weights = torch.rand(2, 50)
    args = (torch.tensor([0, 50], dtype=torch.int32), torch.ones(2), torch.zeros(2))
    floor, _ = run(FUNCTION, weights, *args)
    assert not floor.any()


def test_rows_may_stand_apart(run):
    weights = torch.rand(3, 200)[:, :90]
    args = (torch.tensor([3, 0, 7], dtype=torch.int32), torch.tensor([1, 0.4, 0.8]), torch.zeros(3))
    floor, _ = run(FUNCTION, weights, *args)
    assert torch.equal(floor, reference.lowest_weight_kept(weights, *args))


def test_draws_follow_the_filtered_distribution(run):
    """Chi-squared: draws from what the floor keeps against the definition by a sort."""
    generator = torch.Generator().manual_seed(5)
    weights = (torch.randn(1, 300, generator=generator) * 2).softmax(-1)
    args = (torch.tensor([40], dtype=torch.int32), torch.tensor([0.9]), torch.tensor([0.01]))
    floor, _ = run(FUNCTION, weights, *args)
    kept = weights.masked_fill(weights < floor[:, None], 0.0)
    draws = torch.multinomial(kept[0], 20_000, replacement=True, generator=generator)

    ordered, order = weights[0].sort(descending=True)
    ordered[40:] = 0
    ordered[1:][ordered.cumsum(0)[:-1] >= 0.9 * ordered.sum()] = 0
    ordered[ordered < 0.01 * ordered[0]] = 0
    expected = torch.zeros(300).index_copy_(0, order, ordered / ordered.sum())
    counts = draws.bincount(minlength=300)
    assert not counts[expected == 0].any()
    shown = expected > 0
    assert shown.sum() > 5
    share = expected[shown].double()
    test = stats.chisquare(counts[shown].numpy(), (share / share.sum()).numpy() * 20_000)
    assert test.pvalue > 1e-4


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, torch.rand(2, 5).double(), "weights is torch.float64"),
        (1, torch.zeros(2), r"top_k is torch.float32 \(2,\)"),
        (2, torch.zeros(3), r"top_p is torch.float32 \(3,\) on cpu, not torch.float64 or"),
        (3, torch.zeros(2).double(), "min_p is torch.float64"),
    ],
)
def test_refusals(index, value, message):
    args = [torch.rand(2, 5), torch.zeros(2, dtype=torch.int32), torch.ones(2), torch.zeros(2)]
    args[index] = value
    with pytest.raises(KernelError, match="lowest_weight_kept: " + message):
        lowest_weight_kept(*args)
