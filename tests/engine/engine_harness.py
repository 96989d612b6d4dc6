"""An engine over a runner that can tell when it was given the wrong blocks."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.drafter import Drafter, Speculator
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    RequestOutput,
    SamplingParams,
    TokenLogprobs,
)
from rostra.mesh.engine.plan import PromptLogprobs, SampledToken, StepPlan, StepResult
from rostra.mesh.engine.request import Request

ALPHABET = (0, 2**61 - 1, 1)
"""Python hashes the first two to the same number, so only a comparison tells them apart."""
VOCAB_SIZE = 2**61
END = ALPHABET[2]
FAULT = 0.123
"""A temperature that makes the harness's model fail at the second output token."""


def chain(previous: int, token: int) -> int:
    """What a model's keys and values are to it: a value that depends on everything before."""
    return (previous * 6364136223846793005 + token % 1009 + 1442695040888963407) % 2**64


def start_of_chain(salt: str) -> int:
    """Another one for each salt, so that a prefix of another salt has the wrong values."""
    return zlib.crc32(salt.encode())


def next_token(state: int) -> int:
    return ALPHABET[(state >> 33) % len(ALPHABET)]


def answer_alone(request: EngineRequest, max_len: int) -> tuple[list[int], FinishReason]:
    """What a request is answered when it has the engine to itself."""
    state = start_of_chain(request.cache_salt)
    for token in request.prompt_token_ids:
        state = chain(state, token)
    tokens: list[int] = []
    while True:
        if request.sampling.temperature == FAULT and len(tokens) == 1:
            return tokens, FinishReason.ERROR
        tokens.append(next_token(state))
        state = chain(state, tokens[-1])
        if tokens[-1] in request.sampling.stop_token_ids:
            return tokens, FinishReason.STOP
        if len(tokens) == request.sampling.max_tokens:
            return tokens, FinishReason.LENGTH
        if len(request.prompt_token_ids) + len(tokens) == max_len:
            return tokens, FinishReason.LENGTH


@dataclass
class RunnerState:
    token_ids: list[int]
    num_prompt_tokens: int
    sampling: SamplingParams
    num_computed_tokens: int | None = None
    block_ids: list[int] = field(default_factory=list)
    failed: bool = False


@dataclass
class LazyStep:
    """Computes nothing before it has to: neither its own tokens nor those of steps before it."""

    runner: CheckingRunner
    plan: StepPlan

    def result(self) -> StepResult:
        assert self.runner.in_flight[0] is self, "results are taken out of order"
        self.runner.in_flight.pop(0)
        return self.runner.compute(self.plan)


class CheckingRunner:
    """Writes chained hashes into its blocks, and reads all of them back before it answers."""

    def __init__(
        self, num_blocks: int, block_size: int, max_model_len: int, overlaps: bool = False
    ) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.max_model_len = max_model_len
        self.vocab_size = VOCAB_SIZE
        self.overlaps = overlaps
        self.slots: list[int | None] = [None] * (num_blocks * block_size)
        self.states: dict[str, RunnerState] = {}
        self.salts: dict[str, str] = {}
        self.plans: list[StepPlan] = []
        self.in_flight: list[LazyStep] = []

    def launch(self, plan: StepPlan) -> LazyStep:
        assert plan.scheduled
        self.plans.append(plan)
        self.in_flight.append(LazyStep(self, plan))
        assert len(self.in_flight) <= 1 + self.overlaps
        return self.in_flight[-1]

    def compute(self, plan: StepPlan) -> StepResult:
        for request_id in plan.finished:
            del self.states[request_id]
        for new in plan.new:
            assert new.request_id not in self.states
            self.states[new.request_id] = RunnerState(
                list(new.token_ids), new.num_prompt_tokens, new.sampling
            )
        for part in plan.scheduled:
            self._write(part)
        result = StepResult([], [])
        for part in plan.scheduled:
            self._answer(part, result)
        return result

    def _slot(self, state: RunnerState, position: int) -> int:
        block = state.block_ids[position // self.block_size]
        return block * self.block_size + position % self.block_size

    def _write(self, part) -> None:
        state = self.states[part.request_id]
        start, end = part.num_computed_tokens, part.num_computed_tokens + part.num_new_tokens
        state.block_ids += part.new_block_ids
        if state.failed:
            return
        # A request's first part may start behind a cached prefix; the others follow on.
        assert state.num_computed_tokens in (None, start)
        assert start < end <= len(state.token_ids)
        assert all(0 <= block < self.num_blocks for block in part.new_block_ids)
        assert all(0 <= token < self.vocab_size for token in part.draft_token_ids)
        assert not part.draft_token_ids or end == len(state.token_ids)
        state.num_computed_tokens = end
        value = start_of_chain(self.salts[part.request_id])
        for position, token in enumerate(state.token_ids[:end] + part.draft_token_ids):
            value = chain(value, token)
            if position >= start:
                self.slots[self._slot(state, position)] = value

    def _answer(self, part, result: StepResult) -> None:
        state = self.states[part.request_id]
        start, end = part.num_computed_tokens, part.num_computed_tokens + part.num_new_tokens
        if state.failed:
            return
        values = [start_of_chain(self.salts[part.request_id])]
        for position, token in enumerate(state.token_ids[:end] + part.draft_token_ids):
            values.append(chain(values[-1], token))
            assert self.slots[self._slot(state, position)] == values[-1], "wrong keys and values"
        if state.sampling.prompt_logprobs is not None and start + 1 < state.num_prompt_tokens:
            predicted = range(start + 1, min(end + 1, state.num_prompt_tokens))
            chunk = [TokenLogprobs(-float(position), []) for position in predicted]
            result.prompt_logprobs.append(PromptLogprobs(part.request_id, chunk))
        if end < len(state.token_ids):
            return
        for value, draft in zip(values[end:], [*part.draft_token_ids, None], strict=True):
            if not self._sample(part.request_id, state, value, result) or (
                state.token_ids[-1] != draft
            ):
                return
            # The draft was right, so what was computed for it stands.
            state.num_computed_tokens += 1

    def _sample(self, request_id: str, state: RunnerState, value: int, result: StepResult) -> bool:
        num_output = len(state.token_ids) - state.num_prompt_tokens
        if state.sampling.temperature == FAULT and num_output == 1:
            state.failed = True
            result.sampled.append(SampledToken(request_id, -1, error="planted fault"))
            return False
        state.token_ids.append(next_token(value))
        assert len(state.token_ids) <= self.max_model_len
        result.sampled.append(SampledToken(request_id, state.token_ids[-1]))
        return True


class SometimesRight:
    """Knows what comes next, but says something else at times, even what is no token at all."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def draft(self, request: Request, count: int) -> list[int]:
        value = start_of_chain(request.cache_salt)
        for token in request.token_ids:
            value = chain(value, token)
        guesses = []
        for _ in range(self._rng.randint(1, count)):
            wrong = self._rng.choice((*ALPHABET, -1, VOCAB_SIZE))
            guesses.append(next_token(value) if self._rng.random() < 0.7 else wrong)
            value = chain(value, guesses[-1])
        return guesses

    def forget(self, request: Request) -> None:
        pass


class Harness:
    """Drives an engine, and checks after every step all that must hold."""

    def __init__(
        self,
        *,
        num_blocks: int = 64,
        block_size: int = 4,
        max_model_len: int = 100,
        overlaps: bool = False,
        drafter: Drafter | None = None,
        **config: object,
    ) -> None:
        """`drafter` may guess in every step, however often it is wrong."""
        self.now = 0.0
        self.runner = CheckingRunner(num_blocks, block_size, max_model_len, overlaps)
        self.config = EngineConfig(model_path="", **config)
        self.drafter = drafter
        speculator = drafter and Speculator(
            drafter,
            vocab_size=VOCAB_SIZE,
            num_draft_tokens=self.config.num_draft_tokens,
            row_cost=0.0,
        )
        self.engine = Engine(
            self.runner, self.config, clock=lambda: self.now, speculator=speculator
        )
        self.max_len = min(max_model_len, num_blocks * block_size)
        self.requests: dict[str, EngineRequest] = {}
        self.outputs: dict[str, list[RequestOutput]] = {}

    def add(
        self,
        request_id: str,
        prompt: list[int],
        *,
        deadline: float | None = None,
        priority: int = 0,
        salt: str = "",
        **sampling: object,
    ) -> None:
        request = EngineRequest(
            request_id=request_id,
            prompt_token_ids=prompt,
            sampling=SamplingParams(**sampling),
            deadline=deadline,
            priority=priority,
            cache_salt=salt,
        )
        self.engine.add_request(request)
        self.runner.salts[request_id] = salt
        self.requests[request_id] = request
        self.outputs[request_id] = []
        self.engine.check_integrity()

    def abort(self, request_id: str) -> bool:
        aborted = self.engine.abort(request_id)
        self.engine.check_integrity()
        return aborted

    def step(self) -> list[RequestOutput]:
        num_plans = len(self.runner.plans)
        outputs = self.engine.step()
        self.engine.check_integrity()
        for output in outputs:
            assert self.finish(output.request_id) is None, "an output after the last one"
            self.outputs[output.request_id].append(output)
        for request_id, request in self.requests.items():
            late = request.deadline is not None and request.deadline <= self.now
            assert not late or self.finish(request_id) is not None, "a deadline was missed"
        for plan in self.runner.plans[num_plans:]:
            assert len(plan.scheduled) <= self.config.max_num_seqs
            computed = sum(p.num_new_tokens + len(p.draft_token_ids) for p in plan.scheduled)
            assert computed <= self.config.max_num_batched_tokens
        return outputs

    def drain(self, limit: int = 5000) -> None:
        for _ in range(limit):
            if not self.engine.has_work:
                break
            self.step()
        assert not self.engine.has_work, "the engine does not come to an end"

    def finish(self, request_id: str) -> FinishReason | None:
        outputs = self.outputs[request_id]
        return outputs[-1].finish if outputs else None

    def tokens(self, request_id: str) -> list[int]:
        return [token.id for output in self.outputs[request_id] for token in output.tokens]

    def check_answers(self) -> None:
        """After `drain`: each request got what it gets alone, or as much as its end allowed."""
        for request_id, request in self.requests.items():
            tokens, reason = answer_alone(request, self.max_len)
            if self.finish(request_id) in (FinishReason.ABORT, FinishReason.DEADLINE):
                tokens = tokens[: len(self.tokens(request_id))]
            else:
                assert self.finish(request_id) is reason
            assert self.tokens(request_id) == tokens
            self._check_outputs(request)
        load = self.engine.load()
        assert load.kv_blocks_used == load.running_requests == load.waiting_requests == 0
        assert load.finished_requests == len(self.requests)
        assert load.accepted_draft_tokens <= load.draft_tokens
        assert load.generated_tokens == sum(len(self.tokens(r)) for r in self.requests)

    def _check_outputs(self, request: EngineRequest) -> None:
        first, *later = self.outputs[request.request_id]
        assert 0 <= first.num_cached_tokens < len(request.prompt_token_ids)
        assert all(o.num_cached_tokens is None and o.prompt_logprobs is None for o in later)
        if request.sampling.prompt_logprobs is None:
            assert first.prompt_logprobs is None
        elif first.tokens:
            expected = [-float(i) for i in range(1, len(request.prompt_token_ids))]
            assert first.prompt_logprobs[0] is None
            assert [entry.logprob for entry in first.prompt_logprobs[1:]] == expected
        last = self.outputs[request.request_id][-1]
        stopped = last.finish is FinishReason.STOP
        assert last.stop_token_id == (last.tokens[-1].id if stopped else None)
        assert (last.error is not None) == (last.finish is FinishReason.ERROR)
