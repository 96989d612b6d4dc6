"""Decides what is computed next, and takes in what was."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from rostra.mesh.engine.blocks import BlockManager
from rostra.mesh.engine.cache_log import key_places
from rostra.mesh.engine.drafter import Speculator
from rostra.mesh.engine.integrity import check_integrity
from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.engine.plan import (
    NewRequest,
    SampledToken,
    ScheduledRequest,
    StepResult,
)
from rostra.mesh.engine.queues import RequestQueues
from rostra.mesh.engine.request import Request, Status
from rostra.mesh.engine.step import Counters, Step


class Scheduler:
    """Gives each request a number of tokens per step, under one budget of tokens.

    There is no prefill phase and no decode phase: only `num_computed_tokens`, which catches up with
    `num_tokens`. Running requests come first, then waiting ones, each by priority and arrival. One
    that needs a block when none is free takes the blocks of the last running request, which then
    waits again and computes its tokens anew.

    Some request always gets on: a request never has more than `max_model_len` tokens, that many fit
    in the cache, and the first in rank can take every block from the others.

    A step may be scheduled while the one before it is in flight, unless `must_wait`. What is
    scheduled counts as computed, and the token it will sample as a token, so the next step is
    planned as if the one in flight were done. What cannot be known so is left out: no request goes
    beyond the length where it ends, nobody is preempted, nothing is drafted behind a token whose
    value is not known, and the prefix cache learns of a block when all its tokens are known. Where
    the token in flight turns out to end its request, the one computed after it is dropped.
    """

    def __init__(
        self,
        blocks: BlockManager,
        *,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        speculator: Speculator | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queues = RequestQueues()
        self.counters = Counters()
        self._blocks = blocks
        self._max_num_seqs = max_num_seqs
        self._max_num_batched_tokens = max_num_batched_tokens
        self._speculator = speculator
        self._clock = clock
        self._to_forget: list[str] = []
        self._outputs: list[RequestOutput] = []

    @property
    def has_work(self) -> bool:
        return bool(self.queues or self._outputs)

    def abort(self, request_id: str) -> bool:
        """Ends the request; False where it has ended already or never was."""
        request = self.queues.find(request_id)
        if request is None:
            return False
        self._finish(request, FinishReason.ABORT)
        return True

    def expire(self, now: float) -> None:
        """Ends the requests whose deadline has come, in the queue or running."""
        for request in self.queues.expired(now):
            self._finish(request, FinishReason.DEADLINE)

    def take_outputs(self) -> list[RequestOutput]:
        outputs, self._outputs = self._outputs, []
        return outputs

    def must_wait(self, in_flight: Step) -> bool:
        """Whether the next step has to be planned from the result of the one in flight.

        That is so where it depends on values that only the result has (how many drafts were right,
        the history that a penalty counts), where an end in that result could spare somebody a
        preemption, and where drafts are likely to win more than waiting loses.
        """
        if in_flight.num_drafts:
            return True
        running = self.queues.running
        num_blocks = 0
        for request in running:
            if request.num_pending_tokens and not request.ends_with_pending:
                if request.needs_history:
                    return True
                num_blocks += self._blocks.num_lacking(request.table, request.num_tokens)
        if num_blocks > self._blocks.num_free:
            return True
        return self._speculator is not None and self._speculator.worth_waiting(running)

    def schedule(self) -> Step:
        """The next step. Nothing is scheduled only where no request lacks anything but the result
        of a step in flight."""
        step = Step()
        budget = self._continue_running(step, self._max_num_batched_tokens)
        budget = self._admit_waiting(step, budget)
        num_tokens = self._max_num_batched_tokens - budget
        if self._speculator is not None:
            self._add_drafts(step, self._speculator, budget)
        if step.parts:
            step.plan.finished.extend(self._to_forget)
            self._to_forget.clear()
            self.counters.steps += 1
            self.counters.step_requests += len(step.parts)
            self.counters.step_tokens += num_tokens + step.num_drafts
        return step

    def apply(self, step: Step, result: StepResult) -> None:
        """Takes in what the runner made of the step. Steps are applied in order."""
        sampled: dict[str, list[SampledToken]] = {}
        for token in result.sampled:
            sampled.setdefault(token.request_id, []).append(token)
        predicted = {chunk.request_id: chunk.tokens for chunk in result.prompt_logprobs}
        for (request, samples), part in zip(step.parts, step.plan.scheduled, strict=True):
            if request.status is Status.FINISHED:
                continue
            if part.request_id in predicted:
                request.record_prompt_logprobs(part.num_computed_tokens, predicted[part.request_id])
            if samples:
                self._append(request, sampled[part.request_id], len(part.draft_token_ids))

    def check_integrity(self, in_flight: Step | None = None) -> None:
        """Raises IntegrityError unless queues, requests, blocks and the step in flight agree."""
        check_integrity(self.queues, self._blocks, in_flight)

    def _continue_running(self, step: Step, budget: int) -> int:
        # In order of rank, with victims from the end: what is scheduled stays scheduled.
        index, running = 0, self.queues.running
        while index < len(running) and budget > 0:
            request = running[index]
            index += 1
            if request.ends_with_pending:
                continue
            missing = request.num_missing_tokens
            count = min(missing, budget)
            new_block_ids = self._make_room(request, request.num_computed_tokens + count)
            if new_block_ids is None:
                break
            self._schedule(step, request, count, count == missing, new_block_ids)
            budget -= count
        return budget

    def _make_room(self, request: Request, num_tokens: int) -> list[int] | None:
        """Ids of the blocks added; None where the request had to be preempted itself."""
        while (added := self._blocks.grow(request.table, num_tokens)) is None:
            victim = self.queues.running[-1]
            self._blocks.release(victim.table)
            self._to_forget.append(victim.id)
            self.queues.put_back(victim)
            self.counters.preemptions += 1
            victim.preempted.append(self._clock())
            if victim is request:
                return None
        return added

    def _admit_waiting(self, step: Step, budget: int) -> int:
        queues = self.queues
        while queues.waiting and budget > 0 and len(queues.running) < self._max_num_seqs:
            request = queues.waiting[0]
            # All its blocks at once, and one left for each that runs: a request that is admitted
            # and preempted right after has computed its prompt for nothing.
            table = self._blocks.open_table(
                request.token_ids,
                request.cache_salt,
                reuse=not request.lacks_prompt_logprobs,
                reserve=len(queues.running),
            )
            if table is None:
                break
            queues.start(request)
            request.table = table
            if request.prefix_keys:
                self._name_prefixes(request)
            request.num_computed_tokens = table.num_known * self._blocks.block_size
            self._count_first_start(request)
            step.plan.new.append(
                NewRequest(
                    request.id,
                    list(request.token_ids),
                    request.num_prompt_tokens,
                    request.sampling,
                    request.adapter_slot,
                    request.grammar,
                )
            )
            missing = request.num_missing_tokens
            count = min(missing, budget)
            block_ids = [block.id for block in table.blocks]
            self._schedule(step, request, count, count == missing, block_ids)
            budget -= count
        return budget

    def _name_prefixes(self, request: Request) -> None:
        places = key_places(
            request.prefix_keys,
            request.prefix_covered,
            request.num_prompt_tokens,
            self._blocks.block_size,
        )
        self._blocks.name(request.table, places)

    def _schedule(
        self, step: Step, request: Request, count: int, samples: bool, new_block_ids: list[int]
    ) -> None:
        start = request.num_computed_tokens
        step.plan.scheduled.append(ScheduledRequest(request.id, start, count, new_block_ids))
        step.parts.append((request, samples))
        request.num_computed_tokens = start + count
        # Now, not after the step, so that requests that arrive together share a prompt too.
        self._remember(request)
        if samples:
            request.num_pending_tokens += 1

    def _add_drafts(self, step: Step, speculator: Speculator, budget: int) -> None:
        """Gives drafts what the step has left, where that takes nothing from anybody."""
        scheduled = step.plan.scheduled
        num_sampling = sum(samples for _, samples in step.parts)
        num_rows = self._max_num_batched_tokens - budget
        for index, (request, samples) in enumerate(step.parts):
            if not samples or request.num_pending_tokens > 1 or not request.takes_drafts:
                continue
            num_known = len(request.token_ids)
            # The last token sampled is never computed with the drafts before it.
            room = min(budget, request.max_num_tokens - num_known - 1)
            guesses = speculator.draft(request, room, num_sampling, num_rows)
            if guesses and not self._may_grow(request, num_known + len(guesses)):
                held = len(request.table.blocks) * self._blocks.block_size
                del guesses[held - num_known :]
            if not guesses:
                continue
            added = self._blocks.grow(request.table, num_known + len(guesses))
            assert added is not None
            scheduled[index] = msgspec.structs.replace(
                scheduled[index],
                new_block_ids=scheduled[index].new_block_ids + added,
                draft_token_ids=guesses,
            )
            budget -= len(guesses)
            num_rows += len(guesses)
            step.num_drafts += len(guesses)

    def _may_grow(self, request: Request, num_tokens: int) -> bool:
        """Whether a guess may have new blocks: nobody waits, and all that run can grow after it."""
        left = self._blocks.num_free - self._blocks.num_lacking(request.table, num_tokens)
        return not self.queues.waiting and left >= len(self.queues.running)

    def _remember(self, request: Request) -> None:
        known = min(request.num_computed_tokens, len(request.token_ids))
        self._blocks.remember(request.table, request.token_ids, known)

    def _count_first_start(self, request: Request) -> None:
        # Later starts, after a preemption, find the request's own tokens: no news of the cache.
        if request.num_cached_tokens is None:
            request.num_cached_tokens = min(request.num_computed_tokens, request.num_prompt_tokens)
            request.started = self._clock()
            self.counters.prompt_tokens += request.num_prompt_tokens
            if not request.lacks_prompt_logprobs:
                self.counters.prefix_cache_queried_tokens += request.num_prompt_tokens
                self.counters.prefix_cache_hit_tokens += request.num_cached_tokens

    def _append(self, request: Request, sampled: list[SampledToken], num_drafts: int) -> None:
        request.num_pending_tokens -= 1
        tokens: list[OutputToken] = []
        reason: FinishReason | None = None
        error: str | None = None
        for token in sampled:
            if token.error is not None:
                reason, error = FinishReason.ERROR, token.error
                break
            request.token_ids.append(token.token_id)
            tokens.append(OutputToken(token.token_id, token.logprobs))
            reason = request.finish_reason()
            if reason is not None:
                break
        self.counters.generated_tokens += len(tokens)
        if num_drafts:
            # All tokens but the last were guessed, and are computed already.
            num_accepted = max(len(tokens) - 1, 0)
            request.num_computed_tokens += num_accepted
            self._count_drafts(request, num_drafts, num_accepted)
        if reason is None:
            now = 0.0 if request.answered else self._clock()
            self._outputs.append(request.output(tokens, now=now))
        else:
            self._finish(request, reason, tokens, error)

    def _count_drafts(self, request: Request, num_drafts: int, num_accepted: int) -> None:
        self.counters.draft_tokens += num_drafts
        self.counters.accepted_draft_tokens += num_accepted
        if self._speculator is not None:
            self._speculator.record(request, num_drafts, num_accepted)

    def _finish(
        self,
        request: Request,
        reason: FinishReason,
        tokens: list[OutputToken] | None = None,
        error: str | None = None,
    ) -> None:
        if request.status is Status.RUNNING:
            if reason is FinishReason.ERROR:
                self._blocks.forget(request.table)
            else:
                self._remember(request)
            self._blocks.release(request.table)
            self._to_forget.append(request.id)
        self.queues.remove(request)
        if self._speculator is not None:
            self._speculator.forget(request)
        self.counters.finished_requests += 1
        self._outputs.append(request.output(tokens or [], reason, error, self._clock()))
