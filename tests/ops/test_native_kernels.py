"""The compiled kernels over the shapes, layouts and numbers of threads that can come."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_cases import TOLERANCE, AttentionCase, make_ops, make_step, tables

from rostra.mesh.ops.native import library


@pytest.fixture(autouse=True)
def threads():
    """Sets the number of threads for the test's time."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


sequences = st.one_of(
    st.tuples(st.just(1), st.integers(1, 3000)),
    st.integers(1, 400).map(lambda n: (n, n)),
    st.tuples(st.integers(2, 300), st.integers(300, 3000)),
)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.lists(sequences, min_size=1, max_size=6),
    head_dim=st.sampled_from([2, 20, 64, 80, 96, 128, 256]),
    num_kv_heads=st.integers(1, 3),
    group=st.integers(1, 16),
    block_size=st.sampled_from([1, 8, 16, 24, 64]),
    dtype=st.sampled_from(list(TOLERANCE)),
    num_threads=st.integers(1, 4),
    sliding_window=st.none() | st.integers(1, 600),
    soft_cap=st.none() | st.floats(0.5, 60.0),
    seed=st.integers(0, 2**30),
)
def test_attention_of_any_step(
    batch,
    head_dim,
    num_kv_heads,
    group,
    block_size,
    dtype,
    num_threads,
    sliding_window,
    soft_cap,
    seed,
):
    # What the reference can compute in a moment.
    while sum(query_len * length for query_len, length in batch) * group * head_dim > 2e8:
        batch = [(max(1, query_len // 2), -(-length // 2)) for query_len, length in batch]
    torch.set_num_threads(num_threads)
    case = AttentionCase.random(
        batch,
        num_heads=num_kv_heads * group,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        block_size=block_size,
        dtype=dtype,
        seed=seed,
        sliding_window=sliding_window,
        soft_cap=soft_cap,
    )
    case.spoil()
    case.check(make_ops("native", dtype))


def test_more_heads_than_a_tile_has_rows():
    case = AttentionCase.random(
        [(3, 70), (1, 20)], num_heads=250, num_kv_heads=1, head_dim=16, dtype=torch.float32
    )
    case.check(make_ops("native", torch.float32))


def test_scores_far_apart():
    """Weights from 1 down to what float32 cannot hold, whichever key the largest belongs to."""
    case = AttentionCase.random([(1, 900), (200, 500)], num_heads=4, num_kv_heads=2, head_dim=64)
    case.scale = 12.0
    found = case.found(make_ops("native", torch.float32))
    # Scores of several hundred are known to 5e-5 in float32.
    torch.testing.assert_close(found, case.expected(), rtol=0, atol=3e-4)


@pytest.mark.parametrize("window", [None, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_sequence_gets_the_same_bits_in_any_company(threads, dtype, window):
    """And with any number of threads, and prompts in any chunks of more than one token."""
    batch = [(1, 1500), (1, 40), (300, 300), (1, 513), (7, 900), (64, 2100)]
    case = AttentionCase.random(
        batch, num_heads=6, num_kv_heads=2, head_dim=64, dtype=dtype, sliding_window=window
    )
    ops = make_ops("native", dtype)
    threads(1)
    together = case.found(ops)
    for num_threads in (2, 3, 4):
        threads(num_threads)
        assert torch.equal(case.found(ops), together)
    layout, starts = case.layout, case.layout.query_start
    for s in range(len(batch)):
        alone = AttentionCase(
            type(layout)(
                positions=layout.positions[starts[s] : starts[s + 1]],
                slot_mapping=layout.slot_mapping[starts[s] : starts[s + 1]],
                query_start=np.array([0, starts[s + 1] - starts[s]], np.int32),
                seq_lens=layout.seq_lens[s : s + 1],
                block_table=layout.block_table[s : s + 1],
                block_size=layout.block_size,
            ),
            case.query[starts[s] : starts[s + 1]],
            case.keys,
            case.values,
            case.scale,
            window,
        )
        assert torch.equal(alone.found(ops), together[starts[s] : starts[s + 1]]), batch[s]


def test_blocks_beyond_two_billion_elements():
    """The cache's pages are only reserved: no more than the sequence's own blocks are touched."""
    num_blocks = 2**31 // (16 * 64) + 7
    keys, values = (
        torch.from_numpy(np.zeros(num_blocks * 16 * 64, np.float16)).view(num_blocks, 16, 1, 64)
        for _ in range(2)
    )
    case = AttentionCase.random(
        [(1, 40)], num_heads=2, num_kv_heads=1, head_dim=64, dtype=torch.float16
    )
    expected = case.expected()
    near, far = case.layout.block_table[0].copy(), [num_blocks - 1, num_blocks - 3, num_blocks - 2]
    case.layout.block_table[0] = far
    keys[far], values[far] = case.keys[near], case.values[near]
    case.keys, case.values = keys, values
    found = case.found(make_ops("native", torch.float16))
    torch.testing.assert_close(found.float(), expected, **TOLERANCE[torch.float16])


def test_rotation_of_heads_that_lie_apart():
    generator = torch.Generator().manual_seed(1)
    layout, num_blocks = make_step(generator, [(5, 9), (1, 3)], 8)
    # [heads, tokens, D] seen as [tokens, heads, D].
    plain = [torch.randn(heads, 6, 64, generator=generator) for heads in (4, 2, 2)]
    outcomes = []
    for arrange in (lambda x: x.transpose(0, 1), lambda x: x.transpose(0, 1).contiguous()):
        query, key, value = (arrange(x.clone()) for x in plain)
        caches = [torch.zeros(num_blocks, 8, 2, 64) for _ in range(2)]
        ops = make_ops("native", torch.float32)
        step = ops.prepare(layout, [tables(64)])
        ops.rope_and_cache(query, key, value, *caches, step)
        attended = ops.paged_attention(query, *caches, 0.1, step)
        outcomes.append((query.contiguous(), key.contiguous(), *caches, attended))
    assert all(map(torch.equal, *outcomes))


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_values_that_are_hard_to_round(dtype):
    """A norm by one whose sum with the residual is stored: halves, subnormals, infinities, NaN."""
    edge = torch.tensor([0.0, -0.0, 1e-8, 6e-8, 6e-5, 1 + 2**-9, 1 + 2**-8 + 2**-12, 65519.0])
    edge = torch.cat([edge, -edge, torch.tensor([65520.0, 1e30, -1e30, torch.inf, torch.nan])])
    x = edge.repeat(3).to(dtype)[None]
    residual = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = residual + x
    make_ops("native", dtype).rms_norm(x, torch.ones_like(x[0]), 1e-5, residual)
    torch.testing.assert_close(residual, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("base_two", [True, False])
def test_exponentials(base_two):
    kernels = library()
    low, high = (-126.0, 126.9) if base_two else (-87.0, 88.0)
    x = torch.cat([torch.linspace(low, high, 2**20), torch.linspace(-2, 0, 2**18)])
    found = torch.empty_like(x)
    kernels.rostra_exp(x.data_ptr(), found.data_ptr(), len(x), int(base_two))
    exact = x.double().exp2() if base_two else x.double().exp()
    assert ((found - exact).abs() / exact).max().item() < 1.2e-7
    edges = torch.tensor([0.0, -0.0, -128.0, -1e30, -torch.inf, torch.nan]).repeat(8)
    found = torch.empty_like(edges)
    kernels.rostra_exp(edges.data_ptr(), found.data_ptr(), len(edges), int(base_two))
    assert found[:5].tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert found[5].isnan()


def test_hyperbolic_tangents():
    kernels = library()
    small = torch.logspace(-30, -1, 2**16)
    x = torch.cat([small, -small, torch.linspace(-12, 12, 2**20)])
    found = torch.empty_like(x)
    kernels.rostra_tanh(x.data_ptr(), found.data_ptr(), len(x))
    exact = x.double().tanh()
    assert ((found - exact).abs() / exact.abs()).max().item() < 4e-7
    edges = torch.tensor([0.0, 1e30, -1e30, torch.inf, -torch.inf, torch.nan]).repeat(8)
    found = torch.empty_like(edges)
    kernels.rostra_tanh(edges.data_ptr(), found.data_ptr(), len(edges))
    assert found[:5].tolist() == [0.0, 1.0, -1.0, 1.0, -1.0]
    assert found[5].isnan()
