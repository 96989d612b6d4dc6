"""Steps of every kind that can come, so that nothing is compiled while serving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import NewRequest, ScheduledRequest, StepPlan
from rostra.mesh.engine.requests import RunnerLimits
from rostra.mesh.ops import StepLayout

SAMPLING = (
    SamplingParams(temperature=0.0),
    SamplingParams(temperature=1.0),
    SamplingParams(temperature=0.7, top_k=20, top_p=0.9, min_p=0.05),
    SamplingParams(
        temperature=0.0,
        repetition_penalty=1.1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        logit_bias={0: 1.0},
        min_tokens=1 << 30,
        stop_token_ids=frozenset({0}),
    ),
    SamplingParams(temperature=0.0, logprobs=5, prompt_logprobs=1),
)
"""Every operation of the sampler, between them."""


class _Part(NamedTuple):
    num_tokens: int
    """Known tokens, those computed before included."""
    num_new_tokens: int
    num_drafts: int = 0


def warm_up_plans(limits: RunnerLimits, block_size: int) -> Iterator[StepPlan]:
    """Prompts of growing length, alone and beside requests that decode; then decode steps of more
    and more requests of growing length, with and without drafts.

    Each plan brings its requests, which are to be dropped after it. All of them live in the first
    block of the cache.
    """
    most = _most_seqs(limits)
    longest = limits.max_model_len - 1
    for num_tokens in _doubling(2, min(limits.max_num_batched_tokens, longest)):
        yield _plan([_Part(num_tokens, num_tokens)], block_size)
    for num_tokens in _doubling(2, min(limits.max_num_batched_tokens - most + 1, longest)):
        if most > 1:
            decoding = [_Part(longest, 1)] * (most - 1)
            yield _plan([*decoding, _Part(num_tokens, num_tokens)], block_size)
    for num_seqs in _doubling(1, most):
        for num_tokens in _doubling(block_size, longest):
            yield _plan([_Part(num_tokens, 1)] * num_seqs, block_size)
    yield from _drafted_plans(limits, block_size)


def _drafted_plans(limits: RunnerLimits, block_size: int) -> Iterator[StepPlan]:
    most = _most_seqs(limits)
    for num_drafts in range(1, limits.num_draft_tokens + 1):
        known = limits.max_model_len - num_drafts - 1
        num_seqs = min(most, limits.max_num_batched_tokens // (1 + num_drafts))
        if known > 0 and num_seqs:
            yield _plan([_Part(known, 1, num_drafts)] * num_seqs, block_size)


def adapter_plans(limits: RunnerLimits, block_size: int) -> Iterator[StepPlan]:
    """Prompts of growing length, and a decode step, with an adapter in the first slot."""
    longest = limits.max_model_len - 1
    for num_tokens in _doubling(2, min(limits.max_num_batched_tokens, longest)):
        yield _plan([_Part(num_tokens, num_tokens)], block_size, adapter_slot=0)
    yield _plan([_Part(longest, 1)] * _most_seqs(limits), block_size, adapter_slot=0)


def graph_plans(limits: RunnerLimits, sizes: Sequence[int], block_size: int) -> Iterator[StepPlan]:
    """A decode step of each size: the driver uploads a graph when it is replayed first."""
    for size in sizes:
        yield _plan([_Part(limits.max_model_len - 1, 1)] * size, block_size)


def _plan(parts: Sequence[_Part], block_size: int, *, adapter_slot: int = -1) -> StepPlan:
    plan = StepPlan([], [], [])
    for index, part in enumerate(parts):
        request_id = f"warm-up {index}"
        num_prompt_tokens = part.num_tokens if part.num_new_tokens > 1 else 1
        plan.new.append(
            NewRequest(
                request_id,
                [0] * part.num_tokens,
                num_prompt_tokens,
                SAMPLING[index % len(SAMPLING)],
                adapter_slot,
            )
        )
        num_blocks = -(-(part.num_tokens + part.num_drafts) // block_size)
        plan.scheduled.append(
            ScheduledRequest(
                request_id,
                part.num_tokens - part.num_new_tokens,
                part.num_new_tokens,
                [0] * num_blocks,
                [0] * part.num_drafts,
            )
        )
    return plan


def _most_seqs(limits: RunnerLimits) -> int:
    return min(limits.max_num_seqs, limits.max_num_batched_tokens)


def _doubling(first: int, last: int) -> Iterator[int]:
    """first, 2 * first, ... below last; and last, unless it is less than 1."""
    while first < last:
        yield first
        first *= 2
    if last > 0:
        yield last


def dummy_layout(num_seqs: int, query_len: int, seq_len: int, block_size: int) -> StepLayout:
    """`num_seqs` sequences that all read and write the first block."""
    num_tokens = num_seqs * query_len
    positions = np.tile(np.arange(seq_len - query_len, seq_len, dtype=np.int64), num_seqs)
    return StepLayout(
        positions=positions,
        slot_mapping=positions % block_size,
        query_start=np.arange(0, num_tokens + 1, query_len, dtype=np.int32),
        seq_lens=np.full(num_seqs, seq_len, dtype=np.int32),
        block_table=np.zeros((num_seqs, -(-seq_len // block_size)), dtype=np.int32),
        block_size=block_size,
    )
