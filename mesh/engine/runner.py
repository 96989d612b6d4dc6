"""Computes the steps that the scheduler plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.device import device_name
from rostra.mesh.engine.kv_cache import KVCache
from rostra.mesh.engine.messages import TokenLogprobs
from rostra.mesh.engine.plan import (
    PromptLogprobs,
    SampledToken,
    ScheduledRequest,
    StepPlan,
    StepResult,
)
from rostra.mesh.engine.requests import RequestTable
from rostra.mesh.engine.sampler import Sampler, SamplingRow, logprobs_of
from rostra.mesh.models import Model
from rostra.mesh.ops import StepLayout

_LOGIT_ROWS = 256
"""Prompt positions whose logits are held at once."""


@dataclass(frozen=True)
class RunnerLimits:
    """The largest step that can come."""

    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int


@dataclass(frozen=True)
class FinishedStep:
    """A step of a device that is the host itself: done when its launch returns."""

    value: StepResult

    def result(self) -> StepResult:
        return self.value


class Runner:
    """Knows tensors, and of requests their tokens and blocks only.

    After a step that computed the last known token of a request, the token sampled for it is the
    last known one: the next plan may compute it without naming it.
    """

    def __init__(
        self,
        model: Model,
        cache: KVCache,
        limits: RunnerLimits,
        sampler: Sampler | None = None,
    ) -> None:
        self._model = model
        self._cache = cache
        self._limits = limits
        self._sampler = sampler or Sampler()
        self._device = cache.layers[0][0].device
        self._requests = RequestTable(limits.max_num_seqs, limits.max_model_len, cache.block_size)

    @property
    def num_blocks(self) -> int:
        return self._cache.num_blocks

    @property
    def block_size(self) -> int:
        return self._cache.block_size

    @property
    def max_model_len(self) -> int:
        return self._limits.max_model_len

    @property
    def vocab_size(self) -> int:
        return self._model.config.vocab_size

    @property
    def dtype(self) -> torch.dtype:
        return self._cache.layers[0][0].dtype

    @property
    def device_name(self) -> str:
        return device_name(self._device)

    @property
    def overlaps(self) -> bool:
        return False

    @torch.inference_mode()
    def launch(self, plan: StepPlan) -> FinishedStep:
        """Computes one step; see `StepPlan` for the contract."""
        for request_id in plan.finished:
            self._requests.remove(request_id)
        for request in plan.new:
            self._requests.add(request)
        token_ids, layout = self._requests.lay_out(plan.scheduled)
        hidden = self._model(
            torch.from_numpy(token_ids).to(self._device), layout, self._cache.layers
        )
        starts = layout.query_start.tolist()
        return FinishedStep(
            StepResult(
                sampled=self._sample(plan.scheduled, starts, hidden),
                prompt_logprobs=self._prompt_logprobs(plan.scheduled, starts, hidden),
            )
        )

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Computes steps of every size that can come, so that no kernel is compiled while serving.

        Nothing is compiled for a CPU, so there it returns at once. Overwrites the first block.
        """
        if self._device.type == "cpu":
            return
        for layout in self._warm_up_layouts():
            token_ids = torch.zeros(len(layout.positions), dtype=torch.int64, device=self._device)
            hidden = self._model(token_ids, layout, self._cache.layers)
            self._model.logits(hidden[: len(layout.seq_lens)])

    def _warm_up_layouts(self) -> Iterator[StepLayout]:
        limits, block_size = self._limits, self.block_size
        longest = min(limits.max_num_batched_tokens, limits.max_model_len)
        for num_tokens in _doubling(2, longest):
            yield dummy_layout(1, num_tokens, num_tokens, block_size)
        for num_seqs in _doubling(1, min(limits.max_num_seqs, limits.max_num_batched_tokens)):
            for seq_len in _doubling(block_size, limits.max_model_len):
                yield dummy_layout(num_seqs, 1, seq_len, block_size)

    def _sample(
        self, scheduled: Sequence[ScheduledRequest], starts: list[int], hidden: Tensor
    ) -> list[SampledToken]:
        """The next token of each request that has caught up, appended to its own tokens."""
        states, last_rows = [], []
        for part, end in zip(scheduled, starts[1:], strict=True):
            state = self._requests[part.request_id]
            if part.num_computed_tokens + part.num_new_tokens == state.num_tokens:
                states.append(state)
                last_rows.append(end - 1)
        if not states:
            return []
        logits = self._model.logits(hidden[last_rows])
        rows = [
            SamplingRow(
                state.request_id,
                state.sampling,
                self._requests.token_ids(state),
                state.num_prompt_tokens,
            )
            for state in states
        ]
        sampled = self._sampler.sample(logits, rows)
        for state, token in zip(states, sampled, strict=True):
            if token.error is None:
                self._requests.append(state, token.token_id)
        return sampled

    def _prompt_logprobs(
        self, scheduled: Sequence[ScheduledRequest], starts: list[int], hidden: Tensor
    ) -> list[PromptLogprobs]:
        found = []
        for part, start in zip(scheduled, starts, strict=False):
            state = self._requests[part.request_id]
            count = state.sampling.prompt_logprobs
            first = part.num_computed_tokens + 1
            predicted = self._requests.token_ids(state)[
                first : min(first + part.num_new_tokens, state.num_prompt_tokens)
            ].tolist()
            if count is None or not predicted:
                continue
            tokens: list[TokenLogprobs] = []
            for offset in range(0, len(predicted), _LOGIT_ROWS):
                chunk = predicted[offset : offset + _LOGIT_ROWS]
                begin = start + offset
                logits = self._model.logits(hidden[begin : begin + len(chunk)])
                tokens += logprobs_of(logits, chunk, count)
            found.append(PromptLogprobs(part.request_id, tokens))
        return found


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


def _doubling(first: int, last: int) -> Iterator[int]:
    """first, 2 * first, ... and last."""
    while first < last:
        yield first
        first *= 2
    yield last
