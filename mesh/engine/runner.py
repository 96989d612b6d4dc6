"""Computes the steps that the scheduler plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.device import device_name
from rostra.mesh.engine.kv_cache import KVCache
from rostra.mesh.engine.launched import Awaited, LaunchedStep
from rostra.mesh.engine.logprobs import PendingLogprobs
from rostra.mesh.engine.plan import ScheduledRequest, StepPlan, StepResult
from rostra.mesh.engine.requests import PENDING, RequestState, RequestTable, StepInput
from rostra.mesh.engine.sampler import PendingSample, Sampler, SamplingRow
from rostra.mesh.engine.transfer import upload
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
        self._last_sampled = torch.zeros(
            limits.max_num_seqs, dtype=torch.int64, device=self._device
        )
        """By row of the table: what the next step computes where the host does not know it yet."""
        self._in_flight = self._last_sampled.unbind()

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
        return self._device.type == "cuda"

    @torch.inference_mode()
    def launch(self, plan: StepPlan) -> LaunchedStep:
        """Starts one step; see `StepPlan` for the contract. On a CPU it is done by then.

        Raises ValueError for a plan that contradicts what the runner knows of a request.
        """
        for request_id in plan.finished:
            self._requests.remove(request_id)
        for request in plan.new:
            self._requests.add(request)
        step = self._requests.lay_out(plan.scheduled)
        hidden = self._model(self._token_ids(step), step.layout, self._cache.layers)
        starts = step.layout.query_start.tolist()
        # Before the samples are expected, which count as tokens from then on.
        prompt_logprobs = self._launch_prompt_logprobs(plan.scheduled, step, starts, hidden)
        awaited, sample = self._launch_sample(plan.scheduled, step, starts, hidden)
        return LaunchedStep(self._requests, awaited, sample, prompt_logprobs)

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

    def _token_ids(self, step: StepInput) -> Tensor:
        """[T] on the device, those among them that only the device knows."""
        token_ids = upload(step.token_ids, self._device)
        pending = np.flatnonzero(step.token_ids == PENDING)
        if pending.size:
            sequences = np.searchsorted(step.layout.query_start, pending, side="right") - 1
            at, rows = upload(np.stack((pending, step.rows[sequences])), self._device)
            # No token, where none could be chosen: the request ends, whatever is computed here.
            token_ids[at] = self._last_sampled[rows].clamp_(min=0)
        return token_ids

    def _launch_sample(
        self,
        scheduled: Sequence[ScheduledRequest],
        step: StepInput,
        starts: list[int],
        hidden: Tensor,
    ) -> tuple[list[Awaited], PendingSample | None]:
        """Starts choosing the next token of each request that has caught up."""
        awaited: list[Awaited] = []
        rows: list[SamplingRow] = []
        places: list[tuple[int, int]] = []
        for part, state, end in zip(scheduled, step.states, starts[1:], strict=True):
            if part.num_computed_tokens + part.num_new_tokens < state.num_tokens:
                continue
            drafts = part.draft_token_ids
            awaited.append(Awaited(state, state.num_tokens, drafts))
            rows += self._sampling_rows(state, len(drafts))
            places += [(at, state.row) for at in range(end - 1 - len(drafts), end)]
        if not awaited:
            return [], None
        at, table_rows = upload(np.array(places, dtype=np.int64).T.copy(), self._device)
        logits = self._model.logits(hidden if len(places) == len(hidden) else hidden[at])
        sample = self._sampler.launch(logits, rows)
        # Where drafts are verified, this is read by nobody: their number decides what comes next.
        self._last_sampled.index_copy_(0, table_rows, sample.token_ids)
        for one in awaited:
            if not one.draft_token_ids:
                self._requests.expect(one.state)
        return awaited, sample

    def _sampling_rows(self, state: RequestState, num_drafts: int) -> Iterator[SamplingRow]:
        """One for the token behind the last one, and one for that behind each draft."""
        in_flight = self._in_flight[state.row] if state.is_pending else None
        for count in range(num_drafts + 1):
            yield SamplingRow(
                state.request_id,
                state.sampling,
                self._requests.known_token_ids(state, count),
                state.num_prompt_tokens,
                in_flight,
            )

    def _launch_prompt_logprobs(
        self,
        scheduled: Sequence[ScheduledRequest],
        step: StepInput,
        starts: list[int],
        hidden: Tensor,
    ) -> list[tuple[str, list[PendingLogprobs]]]:
        found = []
        for part, state, start in zip(scheduled, step.states, starts, strict=False):
            count = state.sampling.prompt_logprobs
            first = part.num_computed_tokens + 1
            if count is None or first >= state.num_prompt_tokens:
                continue
            predicted = self._requests.known_token_ids(state)[
                first : min(first + part.num_new_tokens, state.num_prompt_tokens)
            ]
            pieces = []
            for offset in range(0, len(predicted), _LOGIT_ROWS):
                token_ids = predicted[offset : offset + _LOGIT_ROWS].copy()
                begin = start + offset
                logits = self._model.logits(hidden[begin : begin + len(token_ids)])
                token_ids_there = upload(token_ids, self._device)
                pieces.append(PendingLogprobs.launch(logits, token_ids_there, count))
            found.append((part.request_id, pieces))
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
