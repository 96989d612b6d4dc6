"""Which token is chosen, how often, and that the other rows do not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.sampler import NO_TOKEN, Sampler, SamplingRow, uniform


def row(request_id: str = "a", output: int = 0, **params: object) -> SamplingRow:
    """A row whose request has `output` tokens after a prompt of two."""
    tokens = [0, 1] + [2] * output
    return SamplingRow(request_id, SamplingParams(**params), tokens, 2)


def sample(logits: torch.Tensor, rows: list[SamplingRow]) -> list[int]:
    return [token.token_id for token in Sampler().sample(logits, rows)]


def random_logits(rows: int, vocab: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize("vocab", [5, 256, 700])
def test_greedy_takes_the_lowest_id_among_equals(vocab: int) -> None:
    logits = torch.zeros(3, vocab)
    logits[0, [3, 4]] = 2.0
    logits[1, vocab - 1] = 1.0
    assert sample(logits, [row(temperature=0.0)] * 3) == [3, vocab - 1, 0]


def test_tokens_carry_the_ids_of_their_requests() -> None:
    rows = [row("x", temperature=0.0), row("y"), row("z", temperature=0.0)]
    tokens = Sampler().sample(random_logits(3, 20), rows)
    assert [token.request_id for token in tokens] == ["x", "y", "z"]


CHI_SQUARE_SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 1.7, "min_p": 0.1},
    {"top_k": 4},
    {"top_p": 0.7},
    {"top_k": 6, "top_p": 0.9, "min_p": 0.05, "temperature": 1.3},
]


@pytest.mark.parametrize("params", CHI_SQUARE_SETTINGS, ids=str)
@pytest.mark.parametrize("by", ["seed", "position"])
def test_frequencies_are_those_of_the_distribution(params: dict[str, float], by: str) -> None:
    number = 4000
    logits = random_logits(1, 12, seed=5) / 3
    if by == "seed":
        rows = [row(seed=seed, **params) for seed in range(number)]
    else:
        rows = [row(seed=7, output=position, **params) for position in range(number)]
    counts = np.bincount(sample(logits.expand(number, -1), rows), minlength=12)
    expected = number * expected_distribution(logits[0].double().numpy(), **params)
    assert counts[expected == 0].sum() == 0
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-3


def expected_distribution(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> np.ndarray:
    """By the definitions, one token at a time."""
    probability = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    order = sorted(range(len(logits)), key=lambda i: -probability[i])
    kept = order[: top_k or None]
    total, before, nucleus = probability[kept].sum(), 0.0, []
    for token in kept:
        if before < top_p:
            nucleus.append(token)
        before += probability[token] / total
    likely = [t for t in nucleus if probability[t] >= min_p * probability.max()]
    result = np.zeros_like(probability)
    result[likely] = probability[likely] / probability[likely].sum()
    return result


def test_a_large_flat_vocabulary_is_reached_to_its_end() -> None:
    vocab, number = 100_000, 64
    rows = [row(seed=seed) for seed in range(number)]
    ids = np.array(sample(torch.zeros(1, vocab).expand(number, -1), rows))
    assert stats.kstest(ids / vocab, "uniform").pvalue > 1e-3


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    vocab=st.sampled_from((7, 256, 300, 1000)),
    params=st.lists(
        st.fixed_dictionaries(
            {
                "temperature": st.sampled_from((0.0, 0.3, 1.0, 2.0)),
                "top_k": st.sampled_from((0, 1, 5, 5000)),
                "top_p": st.sampled_from((1.0, 0.9, 0.2)),
                "min_p": st.sampled_from((0.0, 0.1)),
                "seed": st.integers(0, 2**64 - 1),
                "output": st.integers(0, 5),
                "repetition_penalty": st.sampled_from((1.0, 1.3)),
                "frequency_penalty": st.sampled_from((0.0, 0.5)),
                "presence_penalty": st.sampled_from((0.0, -0.5)),
                "min_tokens": st.sampled_from((0, 3)),
                "stop_token_ids": st.sampled_from((frozenset(), frozenset({3, 4}))),
                "logit_bias": st.sampled_from(({}, {2: 5.0, 6: -5.0})),
                "logprobs": st.sampled_from((None, 0, 3)),
            }
        ),
        min_size=2,
        max_size=6,
    ),
)
def test_a_row_is_answered_as_it_is_alone(seed: int, vocab: int, params: list[dict]) -> None:
    logits = random_logits(len(params), vocab, seed)
    rows = [row(str(i), **settings) for i, settings in enumerate(params)]
    before = logits.clone()
    together = Sampler().sample(logits, rows)
    assert torch.equal(logits, before), "the logits are the caller's"
    for i, token in enumerate(together):
        alone = Sampler().sample(logits[i : i + 1], rows[i : i + 1])[0]
        assert alone.token_id == token.token_id
        assert (alone.logprobs is None) == (token.logprobs is None)
        if alone.logprobs is not None and token.logprobs is not None:
            assert alone.logprobs.logprob == pytest.approx(token.logprobs.logprob, abs=1e-5)
            ids = [candidate[0] for candidate in alone.logprobs.candidates]
            assert [candidate[0] for candidate in token.logprobs.candidates] == ids


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_chooses_as_the_cpu_does() -> None:
    logits = random_logits(40, 5000)
    rows = [row(seed=i, temperature=i % 3, top_p=0.9, logprobs=2, output=1) for i in range(20)]
    rows += [row(seed=i, top_k=9, min_p=0.1, repetition_penalty=1.2, output=3) for i in range(10)]
    rows += [row(seed=i, frequency_penalty=0.3, logit_bias={3: 2.0}, output=2) for i in range(10)]
    assert sample(logits.cuda(), rows) == sample(logits, rows)


def test_the_same_seed_and_position_give_the_same_token() -> None:
    logits = torch.zeros(3, 50)
    rows = [row(seed=9, output=4), row(seed=9, output=4), row(seed=9, output=5)]
    first, second, _ = sample(logits, rows)
    assert first == second
    positions = [row(seed=9, output=position) for position in range(30)]
    assert len(set(sample(torch.zeros(30, 50), positions))) > 5


@pytest.mark.parametrize("temperature", [1e-45, 1e-8, 1e8])
def test_extreme_temperatures_stay_finite(temperature: float) -> None:
    logits = random_logits(1, 50)
    token = Sampler().sample(logits, [row(temperature=temperature)])[0]
    assert token.error is None
    if temperature < 1:
        assert token.token_id == int(logits.argmax())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_fail_their_row_only(temperature: float, value: float) -> None:
    logits = random_logits(3, 600)
    alone = sample(logits[[0, 2]], [row(temperature=temperature)] * 2)
    logits[1, 300] = value
    params = {"temperature": temperature, "top_p": 0.9, "top_k": 9, "logprobs": 2}
    tokens = Sampler().sample(
        logits, [row(temperature=temperature), row(**params), row(temperature=temperature)]
    )
    assert [tokens[0].token_id, tokens[2].token_id] == alone
    assert tokens[1].token_id == NO_TOKEN
    assert tokens[1].error == "the model computed logits that are not finite numbers"
    assert tokens[0].error is tokens[2].error is None


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_vocabulary_of_end_tokens_only_is_an_error(temperature: float) -> None:
    params = {"stop_token_ids": frozenset(range(4)), "min_tokens": 1}
    token = Sampler().sample(random_logits(1, 4), [row(temperature=temperature, **params)])[0]
    assert token.error is not None
    assert "min_tokens" in token.error


def test_random_numbers_are_uniform_over_seeds_and_positions() -> None:
    numbers = np.array([[uniform(seed, position) for position in range(80)] for seed in range(80)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    neighbours = np.concatenate(
        [
            np.stack((numbers[:-1].ravel(), numbers[1:].ravel())),
            np.stack((numbers[:, :-1].ravel(), numbers[:, 1:].ravel())),
        ],
        axis=1,
    )
    assert abs(np.corrcoef(neighbours)[0, 1]) < 0.04
    assert uniform(2**64 - 1, 0) != uniform(0, 0)
