"""Decides what is computed next, and takes in what was."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from operator import attrgetter

from rostra.mesh.engine.blocks import BlockManager, BlockTable, IntegrityError
from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.engine.plan import (
    NewRequest,
    SampledToken,
    ScheduledRequest,
    StepPlan,
    StepResult,
)
from rostra.mesh.engine.request import Request, Status

_by_rank = attrgetter("rank")


@dataclass(slots=True)
class Counters:
    """Since the start of the engine; fields as in `EngineLoad`."""

    prefix_cache_queried_tokens: int = 0
    prefix_cache_hit_tokens: int = 0
    preemptions: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    finished_requests: int = 0


class Scheduler:
    """Gives each request a number of tokens per step, under one budget of tokens.

    There is no prefill phase and no decode phase: only `num_computed_tokens`, which catches up with
    `num_tokens`. Running requests come first, then waiting ones, each by priority and arrival. One
    that needs a block when none is free takes the blocks of the last running request, which then
    waits again and computes its tokens anew.

    Some request always gets on: a request never has more than `max_model_len` tokens, that many fit
    in the cache, and the first in rank can take every block from the others.
    """

    def __init__(
        self,
        blocks: BlockManager,
        *,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        max_model_len: int,
    ) -> None:
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        self.counters = Counters()
        self._blocks = blocks
        self._max_num_seqs = max_num_seqs
        self._max_num_batched_tokens = max_num_batched_tokens
        self._max_model_len = min(max_model_len, blocks.num_blocks * blocks.block_size)
        self._requests: dict[str, Request] = {}
        self._to_forget: list[str] = []
        self._outputs: list[RequestOutput] = []

    @property
    def max_model_len(self) -> int:
        """The most tokens a request can have: the model's limit, or all of a smaller cache."""
        return self._max_model_len

    @property
    def has_work(self) -> bool:
        return bool(self._requests or self._outputs)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._requests

    def add(self, request: Request) -> None:
        self._requests[request.id] = request
        insort(self.waiting, request, key=_by_rank)

    def abort(self, request_id: str) -> bool:
        """Ends the request; False where it has ended already or never was."""
        request = self._requests.get(request_id)
        if request is None:
            return False
        self._finish(request, FinishReason.ABORT)
        return True

    def expire(self, now: float) -> None:
        """Ends the requests whose deadline has come, in the queue or running."""
        for request in list(self._requests.values()):
            if request.deadline is not None and request.deadline <= now:
                self._finish(request, FinishReason.DEADLINE)

    def take_outputs(self) -> list[RequestOutput]:
        outputs, self._outputs = self._outputs, []
        return outputs

    def schedule(self) -> StepPlan:
        """The next step. Nothing is scheduled only where there is no request."""
        plan = StepPlan([], [], [])
        budget = self._continue_running(plan, self._max_num_batched_tokens)
        self._admit_waiting(plan, budget)
        if plan.scheduled:
            plan.finished.extend(self._to_forget)
            self._to_forget.clear()
        return plan

    def apply(self, plan: StepPlan, result: StepResult) -> None:
        """Takes in what the runner made of `plan`."""
        sampled = {token.request_id: token for token in result.sampled}
        predicted = {chunk.request_id: chunk.tokens for chunk in result.prompt_logprobs}
        for part in plan.scheduled:
            request = self._requests[part.request_id]
            if request.id in predicted:
                request.record_prompt_logprobs(part.num_computed_tokens, predicted[request.id])
            request.num_computed_tokens += part.num_new_tokens
            if request.num_missing_tokens == 0:
                self._append(request, sampled[request.id])

    def check_integrity(self) -> None:
        """Raises IntegrityError unless queues, requests and blocks agree."""
        self._blocks.check_integrity(request.table for request in self.running)
        queued = self.waiting + self.running
        if {r.id: r for r in queued} != self._requests or len(queued) != len(self._requests):
            raise IntegrityError("a request is in no queue, or in two")
        for queue, status in ((self.waiting, Status.WAITING), (self.running, Status.RUNNING)):
            if queue != sorted(queue, key=_by_rank) or any(r.status != status for r in queue):
                raise IntegrityError(f"the {status.value} requests are out of order")
        for request in self.running:
            room = len(request.table.blocks) * self._blocks.block_size
            if not request.num_computed_tokens < request.num_tokens <= self._max_model_len:
                raise IntegrityError(f"request {request.id} has nothing to compute")
            if request.num_computed_tokens > room:
                raise IntegrityError(f"request {request.id} computed more than its blocks hold")
        if any(request.table.blocks or request.num_computed_tokens for request in self.waiting):
            raise IntegrityError("a waiting request holds blocks")

    def _continue_running(self, plan: StepPlan, budget: int) -> int:
        # In order of rank, with victims from the end: what is scheduled stays scheduled.
        index = 0
        while index < len(self.running) and budget > 0:
            request = self.running[index]
            count = min(request.num_missing_tokens, budget)
            new_block_ids = self._make_room(request, request.num_computed_tokens + count)
            if new_block_ids is None:
                break
            self._schedule(plan, request, count, new_block_ids)
            budget -= count
            index += 1
        return budget

    def _make_room(self, request: Request, num_tokens: int) -> list[int] | None:
        """Ids of the blocks added; None where the request had to be preempted itself."""
        while (added := self._blocks.grow(request.table, num_tokens)) is None:
            victim = self.running.pop()
            self._preempt(victim)
            if victim is request:
                return None
        return added

    def _preempt(self, request: Request) -> None:
        self._blocks.release(request.table)
        self._to_forget.append(request.id)
        request.status = Status.WAITING
        request.num_computed_tokens = 0
        insort(self.waiting, request, key=_by_rank)
        self.counters.preemptions += 1

    def _admit_waiting(self, plan: StepPlan, budget: int) -> None:
        while self.waiting and budget > 0 and len(self.running) < self._max_num_seqs:
            request = self.waiting[0]
            # All its blocks at once, and one left for each that runs: a request that is admitted
            # and preempted right after has computed its prompt for nothing.
            table = self._blocks.open_table(
                request.token_ids,
                request.cache_salt,
                reuse=not request.lacks_prompt_logprobs,
                reserve=len(self.running),
            )
            if table is None:
                break
            self.waiting.pop(0)
            self._start(request, table)
            count = min(request.num_missing_tokens, budget)
            plan.new.append(
                NewRequest(
                    request.id,
                    list(request.token_ids),
                    request.num_prompt_tokens,
                    request.sampling,
                )
            )
            self._schedule(plan, request, count, [block.id for block in table.blocks])
            budget -= count

    def _schedule(
        self, plan: StepPlan, request: Request, count: int, new_block_ids: list[int]
    ) -> None:
        start = request.num_computed_tokens
        plan.scheduled.append(ScheduledRequest(request.id, start, count, new_block_ids))
        # Now, not after the step, so that requests that arrive together share a prompt too.
        self._blocks.remember(request.table, request.token_ids, start + count)

    def _start(self, request: Request, table: BlockTable) -> None:
        request.table = table
        request.num_computed_tokens = table.num_known * self._blocks.block_size
        request.status = Status.RUNNING
        insort(self.running, request, key=_by_rank)
        if request.num_cached_tokens is None:
            # Later starts, after a preemption, find the request's own tokens: no news of the cache.
            request.num_cached_tokens = request.num_computed_tokens
            self.counters.prompt_tokens += request.num_prompt_tokens
            if not request.lacks_prompt_logprobs:
                self.counters.prefix_cache_queried_tokens += request.num_prompt_tokens
                self.counters.prefix_cache_hit_tokens += request.num_cached_tokens

    def _append(self, request: Request, token: SampledToken) -> None:
        if token.error is not None:
            self._blocks.forget(request.table)
            self._finish(request, FinishReason.ERROR, error=token.error)
            return
        request.token_ids.append(token.token_id)
        self.counters.generated_tokens += 1
        tokens = [OutputToken(token.token_id, token.logprobs)]
        reason = request.finish_reason(self._max_model_len)
        if reason is None:
            self._emit(request, tokens)
        else:
            self._finish(request, reason, tokens)

    def _finish(
        self,
        request: Request,
        reason: FinishReason,
        tokens: list[OutputToken] | None = None,
        error: str | None = None,
    ) -> None:
        del self._requests[request.id]
        if request.status is Status.RUNNING:
            self.running.remove(request)
            self._blocks.release(request.table)
            self._to_forget.append(request.id)
        else:
            self.waiting.remove(request)
        request.status = Status.FINISHED
        self.counters.finished_requests += 1
        self._emit(request, tokens or [], reason, error)

    def _emit(
        self,
        request: Request,
        tokens: list[OutputToken],
        reason: FinishReason | None = None,
        error: str | None = None,
    ) -> None:
        first = not request.answered
        request.answered = True
        asked = request.sampling.prompt_logprobs is not None
        complete = asked and not request.lacks_prompt_logprobs
        self._outputs.append(
            RequestOutput(
                request_id=request.id,
                tokens=tokens,
                finish=reason,
                stop_token_id=tokens[-1].id if reason is FinishReason.STOP else None,
                error=error,
                num_cached_tokens=(request.num_cached_tokens or 0) if first else None,
                prompt_logprobs=request.prompt_logprobs if first and complete else None,
            )
        )
