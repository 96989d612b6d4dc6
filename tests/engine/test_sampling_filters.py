"""Filters and penalties against transformers' processors, and the searches they rest on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from rostra.mesh.engine.filters import drop_unlikely
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.penalties import adjust_logits
from rostra.mesh.engine.sampler import SamplingRow, logprobs_of
from rostra.mesh.engine.search import first_largest, invert

NO_IDS = torch.zeros(1, 0, dtype=torch.int64)


def random_logits(rows: int, vocab: int, spread: float = 3.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * spread


def filtered(logits: torch.Tensor, params: list[SamplingParams]) -> torch.Tensor:
    """Probabilities [n, vocab] after temperature and filters, as the sampler works them out."""
    temperature = torch.tensor([p.temperature for p in params]).unsqueeze(1)
    weights = ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).exp()
    drop_unlikely(weights, params)
    return weights / weights.sum(dim=-1, keepdim=True)


def filtered_by_transformers(logits: torch.Tensor, p: SamplingParams) -> torch.Tensor:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(p.temperature)])
    if p.top_k:
        warpers.append(TopKLogitsWarper(p.top_k))
    if p.top_p < 1:
        warpers.append(TopPLogitsWarper(p.top_p))
    if p.min_p:
        warpers.append(MinPLogitsWarper(p.min_p))
    return warpers(NO_IDS, logits.unsqueeze(0)).softmax(dim=-1)[0]


# The same examples in every run, because a nucleus that ends within a rounding error of top_p may
# come out one token larger in the one than in the other.
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    vocab=st.sampled_from((5, 300, 6000)),
    spread=st.sampled_from((0.3, 3.0)),
    params=st.lists(
        st.builds(
            SamplingParams,
            temperature=st.sampled_from((0.4, 1.0, 1.9)),
            top_k=st.sampled_from((0, 1, 3, 50, 7000)),
            top_p=st.sampled_from((1.0, 0.999, 0.9, 0.31, 0.0001)),
            min_p=st.sampled_from((0.0, 0.02, 0.5, 1.0)),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_filters_agree_with_transformers(
    seed: int, vocab: int, spread: float, params: list[SamplingParams]
) -> None:
    logits = random_logits(len(params), vocab, spread, seed)
    ours = filtered(logits, params)
    for i, p in enumerate(params):
        theirs = filtered_by_transformers(logits[i].double(), p).float()
        torch.testing.assert_close(ours[i], theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_equals_of_the_last_kept_are_kept_as_in_transformers(top_k: int) -> None:
    logits = torch.tensor([[2.0, 1.0, 2.0, 2.0, 0.0]])
    params = SamplingParams(top_k=top_k)
    torch.testing.assert_close(
        filtered(logits, [params])[0], filtered_by_transformers(logits[0], params)
    )


@pytest.mark.parametrize("vocab", [200, 3000, 9000])
def test_a_wide_nucleus_is_found_whole(vocab: int) -> None:
    # Descending and nearly flat, so that the nucleus of 0.95 takes 95 % of the tokens.
    weights = torch.linspace(1.01, 1.0, vocab).unsqueeze(0)
    cumulative = weights[0].double().cumsum(0) / weights[0].double().sum()
    drop_unlikely(weights, [SamplingParams(top_p=0.95)])
    assert int((weights > 0).sum()) == int((cumulative < 0.95).sum()) + 1


def rows_with(tokens: list[list[int]], prompt: int, **params: object) -> list[SamplingRow]:
    return [SamplingRow(str(i), SamplingParams(**params), t, prompt) for i, t in enumerate(tokens)]


def test_repetition_penalty_agrees_with_transformers() -> None:
    logits = random_logits(2, 40)
    tokens = [[1, 2, 2, 3, 39], [0, 0, 0, 7, 8]]
    ours = adjust_logits(logits, rows_with(tokens, 2, repetition_penalty=1.4))
    theirs = RepetitionPenaltyLogitsProcessor(1.4)(torch.tensor(tokens), logits.clone())
    torch.testing.assert_close(ours, theirs)


def test_output_penalties_follow_the_formula() -> None:
    logits = random_logits(1, 10)
    tokens = [4, 4, 5, 6, 6, 6]
    rows = rows_with([tokens], 2, frequency_penalty=0.5, presence_penalty=0.25)
    expected = logits.clone()
    expected[0, 5] -= 0.5 * 1 + 0.25
    expected[0, 6] -= 0.5 * 3 + 0.25
    torch.testing.assert_close(adjust_logits(logits, rows), expected)


def test_repetition_comes_before_the_output_penalties_and_bias_last() -> None:
    logits = torch.tensor([[2.0, -2.0, 0.5]])
    rows = rows_with(
        [[2, 0, 1]],
        1,
        repetition_penalty=2.0,
        presence_penalty=1.0,
        logit_bias={0: 10.0, 2: -3.0},
    )
    expected = torch.tensor([[2.0 / 2 - 1 + 10, -2.0 * 2 - 1, 0.5 / 2 - 3]])
    torch.testing.assert_close(adjust_logits(logits, rows), expected)


def test_end_tokens_are_banned_until_min_tokens() -> None:
    logits = torch.zeros(2, 4)
    rows = rows_with([[0, 0], [0, 0, 1]], 1, min_tokens=2, stop_token_ids=frozenset({1, 3}))
    banned = adjust_logits(logits, rows) == -torch.inf
    assert banned[0].tolist() == [False, True, False, True]
    assert not banned[1].any()


def test_a_bias_cannot_bring_a_banned_end_token_back() -> None:
    rows = rows_with([[0]], 1, min_tokens=1, stop_token_ids=frozenset({1}), logit_bias={1: 100.0})
    assert adjust_logits(torch.zeros(1, 3), rows)[0, 1] == -torch.inf


def test_tokens_may_come_as_an_array() -> None:
    logits = random_logits(1, 10)
    params = {"repetition_penalty": 1.2, "frequency_penalty": 0.3}
    tokens = [1, 2, 3, 3]
    listed = adjust_logits(logits, rows_with([tokens], 2, **params))
    array = np.asarray(tokens, dtype=np.int32)
    row = SamplingRow("a", SamplingParams(**params), array, 2)
    torch.testing.assert_close(adjust_logits(logits, [row]), listed)


def test_rows_without_wishes_are_neither_changed_nor_copied() -> None:
    logits = random_logits(2, 10)
    assert adjust_logits(logits, rows_with([[1], [2]], 1, min_tokens=3)) is logits


def test_logprobs_are_those_of_the_model() -> None:
    logits = random_logits(3, 30)
    expected = logits.log_softmax(dim=-1)
    for i, entry in enumerate(logprobs_of(logits, [4, 0, 29], 3)):
        assert entry.logprob == pytest.approx(float(expected[i, [4, 0, 29][i]]), abs=1e-5)
        best = expected[i].topk(3)
        assert [candidate[0] for candidate in entry.candidates] == best.indices.tolist()
        values = [candidate[1] for candidate in entry.candidates]
        assert values == pytest.approx(best.values.tolist(), abs=1e-5)


def test_logprobs_ask_for_any_number_of_candidates() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0, 2.0]])
    assert logprobs_of(logits, [0], 0)[0].candidates == []
    everything = logprobs_of(logits, [0], 20)[0].candidates
    assert [token for token, _ in everything] == [1, 2, 3, 0]
    assert logprobs_of(torch.empty(0, 4), [], 2) == []


@settings(max_examples=100, deadline=None)
@given(
    weights=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.sampled_from((1, 9, 255, 256, 257, 800))),
        elements=st.sampled_from((0.0, 0.0, 1e-30, 0.125, 1.0, 100.0)),
    ),
    draw=st.sampled_from((0.0, 2.0**-52, 0.3, 0.5, 1 - 2.0**-52)) | st.floats(0, 1 - 2.0**-52),
)
def test_a_draw_falls_where_the_cumulative_sum_says(weights: np.ndarray, draw: float) -> None:
    weights[:, -1] = np.maximum(weights[:, -1], 1e-30)
    found = invert(torch.from_numpy(weights), torch.full((len(weights),), draw).double()).numpy()
    for row, index in zip(weights.astype(np.float64), found, strict=True):
        assert row[index] > 0
        total = row.sum()
        assert row[:index].sum() <= draw * total + 1e-6 * total
        assert row[: index + 1].sum() >= draw * total - 1e-6 * total


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.sampled_from((1, 9, 256, 300, 1000))),
        elements=st.sampled_from((-np.inf, -1.0, 0.0, 2.0)),
    )
)
def test_the_first_of_the_largest_is_found(values: np.ndarray) -> None:
    assert first_largest(torch.from_numpy(values)).tolist() == values.argmax(axis=1).tolist()
