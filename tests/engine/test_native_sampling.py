"""The compiled kernels against definitions worked out in double precision, and against PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rostra.mesh.engine import sampler as sampler_module
from rostra.mesh.engine.grammar import apply_masks
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.native_sampling import NativeSampling, native_sampling
from rostra.mesh.engine.sampler import Sampler, SamplingRow, choose

FILTERS = [
    {},
    {"temperature": 0.4},
    {"top_k": 1},
    {"top_k": 20},
    {"top_p": 0.5},
    {"top_p": 0.95},
    {"min_p": 0.02},
    {"min_p": 1.0},
    {"top_k": 30, "top_p": 0.8, "min_p": 0.01, "temperature": 1.5},
]
SHAPES = {
    "peaked": lambda n: 10 - 2 * np.log1p(np.arange(n)),
    "flat": lambda n: np.linspace(0, 0.3, n),
    "tied": lambda n: np.repeat([3.0, 2.0, 0.0], -(-n // 3))[:n],
    "excluded": lambda n: np.where(np.arange(n) % 3, np.sin(np.arange(n)), -np.inf),
    "extreme": lambda n: np.where(np.arange(n) % 7, np.cos(np.arange(n)) * 2, -3e38),
}


@pytest.fixture(params=["compiled", "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of choosing on a CPU."""
    if request.param == "torch":
        monkeypatch.setattr(sampler_module, "native_sampling", lambda: None)
    elif native_sampling() is None:
        pytest.skip("there are no compiled kernels here")
    return request.param


@pytest.fixture
def native() -> NativeSampling:
    found = native_sampling()
    if found is None:
        pytest.skip("there are no compiled kernels here")
    return found


def distribution(logits: np.ndarray, **params: float) -> np.ndarray:
    """What tokens are drawn with, by definition, from a sort in double precision."""
    p = SamplingParams(**params)
    weights = np.exp((logits.astype(np.float64) - logits.max()) / p.temperature)
    ordered = np.sort(weights)[::-1]
    floor = ordered[p.top_k - 1] if 0 < p.top_k < len(weights) else 0.0
    if p.top_p < 1:
        ordered = ordered[ordered >= floor]
        before = np.concatenate(([0.0], ordered.cumsum()[:-1]))
        floor = max(floor, ordered[before < p.top_p * ordered.sum()][-1])
    floor = max(floor, p.min_p * weights.max())
    kept = np.where(weights >= floor * (1 - 1e-6), weights, 0.0)
    return kept / kept.sum()


@pytest.mark.parametrize("params", FILTERS, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_draws_follow_the_definition(way: str, shape: str, params: dict[str, float]) -> None:
    number, vocab = 3000, 150
    logits = SHAPES[shape](vocab).astype(np.float32)
    rows = [SamplingRow("a", SamplingParams(seed=s, **params), [0], 1) for s in range(number)]
    batch = torch.from_numpy(logits).expand(number, -1)
    ids = Sampler().launch(batch, rows).token_ids.numpy()
    expected = number * distribution(logits, **params)
    counts = np.bincount(ids, minlength=vocab)
    assert counts[expected == 0].sum() == 0
    # Rare tokens are pooled: the statistic is not chi-square distributed with few of a kind.
    rare = (expected > 0) & (expected < 5)
    observed = np.append(counts[expected >= 5], counts[rare].sum())
    wanted = np.append(expected[expected >= 5], expected[rare].sum())
    if (kept := wanted > 0).sum() > 1:
        assert stats.chisquare(observed[kept], wanted[kept]).pvalue > 1e-4


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    vocab=st.sampled_from((1, 63, 64, 65, 1000, 50_000)),
    spread=st.sampled_from((0.0, 0.5, 3.0, 40.0)),
    steps=st.sampled_from((0, 4)),
)
def test_compiled_kernels_choose_as_torch_does(
    seed: int, vocab: int, spread: float, steps: int
) -> None:
    native = native_sampling()
    if native is None:
        pytest.skip("there are no compiled kernels here")
    generator = torch.Generator().manual_seed(seed)
    combinations = [
        SamplingParams(seed=seed + i, temperature=t, top_k=k, top_p=p, min_p=m)
        for i, (t, k, p, m) in enumerate(
            itertools.product((0.0, 1e-30, 0.7, 1.3), (0, 1, 50, 900), (1.0, 0.9, 1e-9), (0.0, 0.1))
        )
    ]
    logits = torch.randn(len(combinations), vocab, generator=generator) * spread
    if steps:  # many equals
        logits = (logits * steps).round() / steps
    rows = [SamplingRow("a", params, [0], 1) for params in combinations]
    expected, best = choose(logits, rows)
    found, found_best = native.choose(logits, sampler_module._settings(rows))
    assert torch.equal(found_best, best)
    different = [combinations[i] for i in (found != expected).nonzero().flatten().tolist()]
    # A draw may fall within a rounding error of the border of two tokens.
    assert len(different) <= 1, different
    assert not [params for params in different if params.temperature == 0]


@pytest.mark.parametrize("stride", [1, 2])
def test_rows_may_be_a_view(native: NativeSampling, stride: int) -> None:
    logits = torch.randn(8, 300, generator=torch.Generator().manual_seed(0))[::stride]
    ids, best = native.choose(logits, np.tile([0.0, 0.0, 0, 1.0, 0.0], (len(logits), 1)))
    assert torch.equal(ids, logits.argmax(dim=-1))
    assert torch.equal(best, logits.amax(dim=-1))
    transposed = logits.T.contiguous().T
    assert torch.equal(
        native.choose(transposed, np.tile([0.0, 0.0, 0, 1.0, 0.0], (len(logits), 1)))[0], ids
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_without_a_finite_largest_logit_get_no_token(
    native: NativeSampling, value: float
) -> None:
    logits = torch.full((2, 200), value)
    if value != -np.inf:
        logits[:, :150] = -1.0
    settings = np.array([[0.0, 0.0, 0, 1.0, 0.0], [1.0, 0.5, 9, 0.9, 0.1]])
    ids, best = native.choose(logits, settings)
    assert ids.tolist() == [-1, -1]
    np.testing.assert_array_equal(best.numpy(), [value, value])


@pytest.mark.parametrize("vocab", [3, 64, 5000])
@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_likeliest_are_those_of_a_sort(native: NativeSampling, vocab: int, count: int) -> None:
    count = min(count, vocab)
    logits = torch.randn(5, vocab, generator=torch.Generator().manual_seed(2)) * 4
    logits[2:4] = logits[2:4].round()
    logits[4, ::2] = -torch.inf
    values, ids, normaliser = native.likeliest(logits, count)
    order = np.argsort(-logits.numpy(), axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(ids.numpy(), order)
    assert torch.equal(values, logits.gather(1, ids))
    torch.testing.assert_close(normaliser.double(), logits.double().logsumexp(dim=-1))


@pytest.mark.parametrize("vocab", [1, 31, 40, 64, 333, 1000])
@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_masked_rows_choose_as_if_the_rest_were_minus_infinity(native, vocab, temperature):
    generator = torch.Generator().manual_seed(vocab)
    logits = torch.randn(6, vocab, generator=generator) * 3
    logits[0, 0] = torch.nan
    words = torch.randint(-(2**31), 2**31, (4, -(-vocab // 32)), generator=generator).int().numpy()
    words[:3, 0] &= ~1  # so that the NaN is excluded
    words[1], words[3] = 0, -1
    masked = [0, 2, 3, 5]
    settings = np.array([[temperature, 0.37, 0, 0.9, 0.0]] * 6)
    expected = apply_masks(logits, masked, words)
    wanted = native.choose(expected, settings)
    got = native.choose(logits, settings, masked, words)
    assert torch.equal(got[0], wanted[0])
    torch.testing.assert_close(got[1], wanted[1], equal_nan=True)
    assert got[0][2] == -1, "nothing was allowed"
    assert torch.equal(expected[1], logits[1])
