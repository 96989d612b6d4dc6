"""Computes the steps that the scheduler plans."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.adapters import AdapterSlots, PreparedAdapter
from rostra.mesh.engine.device import device_name
from rostra.mesh.engine.grammar import warm_up as warm_up_masks
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.graphs import Capture, DecodeGraphs, GraphSizes, graph_bytes_estimate
from rostra.mesh.engine.kv_cache import KVCache
from rostra.mesh.engine.launched import Awaited, LaunchedStep
from rostra.mesh.engine.logprobs import PendingLogprobs
from rostra.mesh.engine.matcher import Matcher
from rostra.mesh.engine.memory import free_bytes, in_gib, told_when_short
from rostra.mesh.engine.plan import NewRequest, ScheduledRequest, StepPlan
from rostra.mesh.engine.requests import PENDING, RequestTable, RunnerLimits, StepInput
from rostra.mesh.engine.sampler import PendingSample, Sampler, SamplingRow
from rostra.mesh.engine.transfer import upload
from rostra.mesh.engine.warm_up import adapter_plans, graph_plans, warm_up_plans
from rostra.mesh.models import Model

log = logging.getLogger(__name__)

_LOGIT_ROWS = 256
"""Prompt positions whose logits are held at once."""
_SMALLER_GRAPHS = "lower --kv-cache-bytes or --max-num-seqs, or start with --no-graphs"


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
        capture: Capture | None = None,
        *,
        on_demand: bool = False,
        adapters: AdapterSlots | None = None,
        grammars: Grammars | None = None,
    ) -> None:
        """`capture` records decode steps: all sizes in `warm_up`, or, `on_demand`, small ones when
        they first come. Without it nothing is recorded.
        `grammars`: None where another rank chooses the tokens."""
        self.grammars = grammars
        self._model = model
        self._cache = cache
        self._limits = limits
        self._sampler = sampler or Sampler()
        self._device = cache.layers[0][0].device
        self._adapters = adapters
        self._capture = capture
        self._on_demand = on_demand
        self._graphs: DecodeGraphs | None = None
        """None until they are recorded."""
        self._requests = RequestTable(limits, cache.block_size)
        self._last_sampled = torch.zeros(
            limits.max_num_seqs, dtype=torch.int64, device=self._device
        )
        """By row of the table: what the next step computes where the host does not know it yet."""
        self._in_flight = self._last_sampled.unbind()
        self._before: LaunchedStep | None = None
        """The step launched last."""
        self._uploaded_rows: list[int] = []
        self._rows = torch.zeros(0, dtype=torch.int64, device=self._device)
        if capture is not None and on_demand:
            self._graphs = self._decode_graphs(capture, GraphSizes.small(limits))

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
        """Of computing; the cache may have another."""
        return self._model.dtype

    @property
    def device_name(self) -> str:
        return device_name(self._device)

    @property
    def overlaps(self) -> bool:
        return self._device.type == "cuda"

    def prepare_adapter(self, folder: Path) -> PreparedAdapter:
        """See `AdapterRunner`; so is `load_adapter`."""
        assert self._adapters is not None
        return self._adapters.prepare(folder)

    def load_adapter(self, slot: int, adapter: PreparedAdapter) -> None:
        assert self._adapters is not None
        self._adapters.fill(slot, adapter)

    @torch.inference_mode()
    def launch(self, plan: StepPlan) -> LaunchedStep:
        """Starts one step; see `StepPlan` for the contract. On a CPU it is done by then.

        Raises ValueError for a plan that contradicts what the runner knows of a request.
        """
        for request_id in plan.finished:
            self._requests.remove(request_id)
        for request in plan.new:
            self._requests.add(request, self._matcher(request))
        step = self._requests.lay_out(plan.scheduled)
        awaited = [
            Awaited(state, state.num_tokens, drafts := part.draft_token_ids, len(drafts) + 1, end)
            for part, state, end in zip(plan.scheduled, step.states, step.ends, strict=True)
            if part.num_computed_tokens + part.num_new_tokens == state.num_tokens
        ]
        logits = self._graphs.replay(step) if self._graphs is not None else None
        prompt_logprobs: list[tuple[str, list[PendingLogprobs]]] = []
        if logits is None:
            hidden = self._model(self._token_ids(step), step.layout, self._cache.layers)
            if not step.is_decode:
                prompt_logprobs = self._launch_prompt_logprobs(plan.scheduled, step, hidden)
            logits = self._logits(step, hidden, awaited)
        if self._before is not None and any(
            state.matcher is not None and state.num_known_tokens < state.num_tokens
            for state, *_ in awaited
        ):
            # Which tokens a grammar allows depends on the values of those before. Here and not
            # sooner: the device computes this step's logits meanwhile.
            self._before.settle()
        sample = self._launch_sample(logits, awaited) if logits is not None else None
        self._before = LaunchedStep(self._requests, awaited, sample, prompt_logprobs)
        return self._before

    def _matcher(self, request: NewRequest) -> Matcher | None:
        if not request.grammar or self.grammars is None:
            return None
        return self.grammars.matcher(request.grammar)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Computes steps of every kind that can come, and records the graphs.

        Nothing is compiled for a CPU, so there it computes nothing, unless graphs are to be
        recorded beforehand. Overwrites the first block.
        Raises RostraError where the memory does not suffice for the graphs.
        """
        if self._device.type == "cpu" and (self._capture is None or self._on_demand):
            return
        started = time.monotonic()
        if self._device.type != "cpu":
            self._run_and_drop(warm_up_plans(self._limits, self.block_size))
            if self.grammars is not None:
                warm_up_masks(self._device, self.vocab_size)
            if self._adapters is not None:
                self._run_and_drop(adapter_plans(self._limits, self.block_size))
        num_graphs, taken = 0, 0
        if self._capture is not None:
            before = free_bytes(self._device)
            num_graphs = self._record(self._capture)
            taken = before - free_bytes(self._device)
        log.info(
            "warmed up in %.1f s; %d graphs of decode steps take %s",
            time.monotonic() - started,
            num_graphs,
            in_gib(taken),
        )

    def _record(self, capture: Capture) -> int:
        needed = graph_bytes_estimate(self._model.config, self.dtype, self._limits, self.block_size)
        sizes = GraphSizes.of(self._limits)
        with told_when_short("recording graphs", needed, self._device, _SMALLER_GRAPHS):
            self._graphs = self._decode_graphs(capture, sizes)
            self._graphs.record_all()
        self._run_and_drop(graph_plans(self._limits, sizes.plain, self.block_size))
        return len(sizes)

    def _decode_graphs(self, capture: Capture, sizes: GraphSizes) -> DecodeGraphs:
        return DecodeGraphs(
            self._model,
            self._cache.layers,
            self._last_sampled,
            self._limits,
            sizes,
            self.block_size,
            capture,
        )

    def _run_and_drop(self, plans: Iterator[StepPlan]) -> None:
        for plan in plans:
            self.launch(plan).result()
            for request in plan.new:
                self._requests.remove(request.request_id)

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

    def _logits(self, step: StepInput, hidden: Tensor, awaited: Sequence[Awaited]) -> Tensor | None:
        """Of the tokens behind which one is sampled: last ones and drafts. None where none is."""
        if step.is_decode:
            return self._model.logits(hidden)
        if not awaited:
            return None
        places = [at for one in awaited for at in range(one.end - one.num_sampled, one.end)]
        return self._model.logits(hidden[upload(np.array(places, np.int64), self._device)])

    def _launch_sample(self, logits: Tensor, awaited: Sequence[Awaited]) -> PendingSample:
        # One row for the token behind the last one, and one for that behind each draft.
        of_rows = [
            (one.state, num_drafts) for one in awaited for num_drafts in range(one.num_sampled)
        ]
        rows = [
            SamplingRow(
                state.request_id,
                state.sampling,
                self._requests.known_token_ids(state, num_drafts),
                state.num_prompt_tokens,
                self._in_flight[state.row] if state.num_known_tokens < state.num_tokens else None,
                state.matcher,
            )
            for state, num_drafts in of_rows
        ]
        sample = self._sampler.launch(logits, rows)
        # Behind drafts this is read by nobody: how many are right decides what comes next.
        index = self._upload_rows([state.row for state, _ in of_rows])
        self._last_sampled.index_copy_(0, index, sample.token_ids)
        self._requests.expect(
            [
                one.state
                for one in awaited
                # Not where the token before could not be chosen: the request has ended.
                if not one.draft_token_ids and one.position == one.state.num_tokens
            ]
        )
        return sample

    def _upload_rows(self, rows: list[int]) -> Tensor:
        # Mostly those of the step before.
        if rows != self._uploaded_rows:
            self._uploaded_rows = rows
            self._rows = upload(np.array(rows, dtype=np.int64), self._device)
        return self._rows

    def _launch_prompt_logprobs(
        self,
        scheduled: Sequence[ScheduledRequest],
        step: StepInput,
        hidden: Tensor,
    ) -> list[tuple[str, list[PendingLogprobs]]]:
        found = []
        for part, state, start in zip(
            scheduled, step.states, step.layout.query_start, strict=False
        ):
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
                begin = int(start) + offset
                logits = self._model.logits(hidden[begin : begin + len(token_ids)])
                token_ids_there = upload(token_ids, self._device)
                pieces.append(self._sampler.launch_logprobs(logits, token_ids_there, count))
            found.append((part.request_id, pieces))
        return found
