"""The loop that joins the scheduler and the runner."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from rostra.mesh.engine.adapters import AdapterRunner, AdapterTable
from rostra.mesh.engine.admission import (
    DuplicateRequestError,
    GrammarRefusedError,
    PromptTooLongError,
    QueueFullError,
    check_request,
)
from rostra.mesh.engine.blocks import BlockManager
from rostra.mesh.engine.cache_log import CacheChanges
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.drafter import Speculator, build_speculator
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.messages import EngineLoad, EngineRequest, RequestOutput
from rostra.mesh.engine.plan import StepPlan, StepResult
from rostra.mesh.engine.request import Request
from rostra.mesh.engine.scheduler import Scheduler
from rostra.mesh.engine.step import Step
from rostra.mesh.errors import RostraError
from rostra.mesh.grammar.errors import GrammarError


class PendingStep(Protocol):
    """A step that was launched."""

    def result(self) -> StepResult:
        """Waits for the step. Called once."""
        ...


class StepRunner(AdapterRunner, Protocol):
    """What computes. It holds the tensors; the scheduler tells it of requests and blocks only."""

    @property
    def num_blocks(self) -> int: ...

    @property
    def block_size(self) -> int: ...

    @property
    def max_model_len(self) -> int:
        """Prompt and output together, in tokens."""
        ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def grammars(self) -> Grammars | None:
        """None where no output can follow one."""
        ...

    @property
    def overlaps(self) -> bool:
        """Whether `launch` returns before the step is done, so that it pays to plan the next."""
        ...

    def launch(self, plan: StepPlan) -> PendingStep:
        """Starts one step; see `StepPlan` for the contract. `plan.scheduled` is never empty.

        One step may be in flight when the next is launched; results are taken in order. Steps read
        and write the cache in the order of their launches, as on one stream. The plans rely on it:
        a block that a step in flight still writes to may belong to another request in the next.

        What a step in flight sampled is not known when the next is planned. So the next plan may
        finish its requests, and give their ids to new ones, before its result is taken; and it may
        compute a token after one that ended its request or could not be chosen (`error`). What
        comes of that is dropped, but it must not fail the step.
        """
        ...


class _InFlight(NamedTuple):
    step: Step
    pending: PendingStep


class Engine:
    """Takes requests in, and gives out what each step made of them.

    Each request that `add_request` took gets exactly one output with a `finish`, and nothing after
    it: whichever end comes first counts. Not for use by several threads at once.
    """

    def __init__(
        self,
        runner: StepRunner,
        config: EngineConfig,
        clock: Callable[[], float] = time.monotonic,
        speculator: Speculator | None = None,
    ) -> None:
        """`clock` tells the time that deadlines are in. `speculator` is by default the one that
        `config` asks for. Raises RostraError for a useless limit."""
        lowest = {
            "max_num_seqs": 1,
            "max_num_batched_tokens": 1,
            "max_waiting_requests": 0,
            "num_draft_tokens": 1,
        }
        for name, least in lowest.items():
            if getattr(config, name) < least:
                raise RostraError(f"{name} is {getattr(config, name)}; it must be at least {least}")
        self._runner = runner
        self.grammars = runner.grammars
        self.adapters = AdapterTable(config.max_adapters, runner)
        self._clock = clock
        self._max_num_seqs = config.max_num_seqs
        self._max_waiting_requests = config.max_waiting_requests
        self._blocks = BlockManager(runner.num_blocks, runner.block_size, config.prefix_caching)
        self._scheduler = Scheduler(
            self._blocks,
            max_num_seqs=config.max_num_seqs,
            max_num_batched_tokens=config.max_num_batched_tokens,
            speculator=speculator or build_speculator(config, runner.vocab_size),
            clock=clock,
        )
        # The most tokens of a request: what the model takes, or what a smaller cache holds.
        self._max_model_len = min(runner.max_model_len, runner.num_blocks * runner.block_size)
        self._advance = (
            self._advance_overlapped
            if runner.overlaps and config.overlap
            else self._advance_plainly
        )
        self._in_flight: _InFlight | None = None
        self._num_arrived = 0

    def follow_cache(self, *, keys: bool, blocks: bool) -> None:
        """Has `cache_changes` tell what of these changes, from now on, after all that is there."""
        self._blocks.follow(keys=keys, blocks=blocks)

    def cache_changes(self) -> CacheChanges | None:
        """Of the prefix cache, since the last call; None where there are none to tell."""
        return self._blocks.log.take() if self._blocks.log.following else None

    @property
    def has_work(self) -> bool:
        """Whether `step` would do anything."""
        return self._scheduler.has_work or self._in_flight is not None

    def add_request(self, request: EngineRequest) -> None:
        """Queues the request.

        Raises a RequestRefusedError, each with one line for the caller: InvalidRequestError,
        PromptTooLongError, DuplicateRequestError, QueueFullError, UnknownAdapterError,
        GrammarRefusedError. A grammar that was not compiled yet is, which may take long.
        """
        queues = self._scheduler.queues
        if request.request_id in queues:
            raise DuplicateRequestError(f"a request with the id {request.request_id} is running")
        check_request(request, self._runner.vocab_size)
        self._check_length(len(request.prompt_token_ids) + len(request.resumed_token_ids))
        free_seats = self._max_num_seqs - len(queues.running)
        if len(queues.waiting) >= self._max_waiting_requests + free_seats:
            raise QueueFullError(
                f"{len(queues.waiting)} requests are waiting, which is the limit; try again later"
            )
        if request.grammar:
            self._compile(request.grammar)
        slot, revision = -1, ""
        if request.adapter:
            adapter = self.adapters.begin(request.adapter, request.request_id)
            slot, revision = adapter.slot, adapter.revision
        arrived = Request.of(
            request,
            self._num_arrived,
            self._max_model_len,
            adapter_slot=slot,
            adapter_revision=revision,
        )
        arrived.arrived = self._clock()
        queues.add(arrived)
        self._num_arrived += 1
        if self.grammars is not None and request.grammar:
            self.grammars.begin(request.grammar, request.request_id)

    def abort(self, request_id: str) -> bool:
        """Ends the request with ABORT in the next step's outputs.

        False, and nothing else, where it has ended already or never was.
        """
        return self._scheduler.abort(request_id)

    def step(self) -> list[RequestOutput]:
        """Schedules, runs and takes in results; what ended since the last step is told too.

        With a runner that overlaps, the results are those of the step that an earlier call
        launched, and another one is in flight when this call returns. An exception of the runner
        passes through: the engine is not usable after it.
        """
        self._scheduler.expire(self._clock())
        self._advance()
        outputs = self._scheduler.take_outputs()
        for output in outputs:
            if output.finish is not None:
                self.adapters.end(output.request_id)
                if self.grammars is not None:
                    self.grammars.end(output.request_id)
        return outputs

    def _advance_plainly(self) -> None:
        step = self._scheduler.schedule()
        if step.parts:
            self._scheduler.apply(step, self._runner.launch(step.plan).result())

    def _advance_overlapped(self) -> None:
        # The same in another order: the next step is planned and launched before the result of the
        # one in flight is taken, so that the device has work while the host reads and plans.
        before, self._in_flight = self._in_flight, None
        if before is not None and self._scheduler.must_wait(before.step):
            self._scheduler.apply(before.step, before.pending.result())
            before = None
        step = self._scheduler.schedule()
        if step.parts:
            self._in_flight = _InFlight(step, self._runner.launch(step.plan))
        if before is not None:
            self._scheduler.apply(before.step, before.pending.result())

    def load(self) -> EngineLoad:
        queues = self._scheduler.queues
        missing = sum([request.num_missing_tokens for request in queues.running])
        return EngineLoad(
            running_requests=len(queues.running),
            waiting_requests=len(queues.waiting),
            queued_tokens=missing + queues.num_waiting_tokens,
            kv_blocks_total=self._blocks.num_blocks,
            kv_blocks_used=self._blocks.num_used,
            **msgspec.structs.asdict(self._scheduler.counters),
        )

    def check_integrity(self) -> None:
        """Raises IntegrityError where the books of the engine contradict each other."""
        self._scheduler.check_integrity(self._in_flight and self._in_flight.step)

    def _compile(self, grammar: str) -> None:
        if self.grammars is None:
            raise GrammarRefusedError("this engine follows no grammars")
        try:
            self.grammars.compile(grammar)
        except GrammarError as error:
            raise GrammarRefusedError(str(error)) from error

    def _check_length(self, num_prompt_tokens: int) -> None:
        capacity = self._blocks.num_blocks * self._blocks.block_size
        if num_prompt_tokens >= self._runner.max_model_len:
            raise PromptTooLongError(
                f"the prompt has {num_prompt_tokens} tokens and leaves no room for an answer: "
                f"the context of the model is {self._runner.max_model_len} tokens, both together"
            )
        if num_prompt_tokens >= capacity:
            raise PromptTooLongError(
                f"the prompt has {num_prompt_tokens} tokens and the KV cache of this engine holds "
                f"{capacity}; give the engine more KV cache or shorten the prompt"
            )
