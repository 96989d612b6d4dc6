"""That a launch waits for nothing, and counts tokens that steps in flight choose."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from rostra.kernels import reference, sampling
from rostra.mesh.engine import filters
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.sampler import NO_TOKEN, Sampler, SamplingRow

EVERYTHING = [
    {"temperature": 0.0, "logprobs": 2},
    {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.3},
    {"top_k": 5, "min_p": 0.1, "frequency_penalty": 0.4, "presence_penalty": 0.2},
    {"min_tokens": 9, "stop_token_ids": frozenset({3, 4}), "logprobs": 0},
    {"logit_bias": {2: 5.0, 6: -5.0}, "top_k": 7, "top_p": 0.5},
]


def rows_of(params: list[dict], tokens: list[int], prompt: int = 2) -> list[SamplingRow]:
    return [
        SamplingRow(str(i), SamplingParams(seed=i, **each), list(tokens), prompt)
        for i, each in enumerate(params)
    ]


def test_a_launch_reads_nothing_back_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    # The meta device has no values: whatever asks for one, or for a shape that depends on values,
    # raises. It takes the way of every device that is not the host; the kernel, which takes GPUs
    # only, has its own tests.
    monkeypatch.setattr(sampling, "lowest_weight_kept", lambda weights, *_: weights[:, 0])
    rows = rows_of(EVERYTHING, [0, 1, 2, 2])
    rows[1].in_flight = torch.empty((), dtype=torch.int64, device="meta")
    pending = Sampler().launch(torch.empty(5, 700, device="meta"), rows)
    assert pending.token_ids.device.type == "meta"
    assert pending.token_ids.shape == (5,)


def test_a_gpu_is_given_the_filters_that_a_cpu_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "lowest_weight_kept", reference.lowest_weight_kept)
    weights = torch.rand(5, 200, generator=torch.Generator().manual_seed(6))
    params = [row.params for row in rows_of(EVERYTHING, [0, 1])]
    found = filters._lowest_on_gpu(weights, params)
    torch.testing.assert_close(found, filters._lowest_on_cpu(weights, params))


def test_token_ids_are_those_of_the_result() -> None:
    logits = torch.randn(5, 300, generator=torch.Generator().manual_seed(1))
    logits[3, 7] = torch.nan
    pending = Sampler().launch(logits, rows_of(EVERYTHING, [0, 1, 2, 2]))
    ids = pending.token_ids.tolist()
    assert ids == [token.token_id for token in pending.result()]
    assert ids[3] == NO_TOKEN
    assert ids.count(NO_TOKEN) == 1


@pytest.mark.parametrize("params", EVERYTHING, ids=str)
def test_a_token_in_flight_counts_like_a_known_one(params: dict) -> None:
    vocab = 40
    logits = torch.randn(64, vocab, generator=torch.Generator().manual_seed(3))
    logits[:, 5] += 3
    known = [rows_of([params], [0, 1, 2, 5])[0] for _ in range(64)]
    for seed, row in enumerate(known):
        row.params = SamplingParams(seed=seed, **params)
    flying = [
        dataclasses.replace(row, token_ids=row.token_ids[:-1], in_flight=torch.tensor(5))
        for row in known
    ]
    assert flying[0].num_output_tokens == known[0].num_output_tokens == 2
    assert Sampler().sample(logits, flying) == Sampler().sample(logits, known)
