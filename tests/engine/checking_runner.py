"""A runner that can tell when it was given the wrong blocks, or plans that could not be known."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    SamplingParams,
    TokenLogprobs,
)
from rostra.mesh.engine.plan import PromptLogprobs, SampledToken, StepPlan, StepResult

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
class KnownTokens:
    """How many tokens of a request are on the host."""

    count: int


@dataclass
class LazyStep:
    """Computes nothing before it has to: neither its own tokens nor those of steps before it."""

    runner: CheckingRunner
    plan: StepPlan
    known: dict[str, KnownTokens] = field(default_factory=dict)
    """Of the requests when it was launched, which may be others of the same ids by now."""

    def result(self) -> StepResult:
        self.runner.events.append("result")
        assert self.runner.in_flight[0] is self, "results are taken out of order"
        self.runner.in_flight.pop(0)
        result = self.runner.compute(self.plan)
        for token in result.sampled:
            self.known[token.request_id].count += 1
        return result


class CheckingRunner:
    """Writes chained hashes into its blocks, and reads all of them back before it answers."""

    grammars = None

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
        self.penalised: set[str] = set()
        self.known: dict[str, KnownTokens] = {}
        self.plans: list[StepPlan] = []
        self.in_flight: list[LazyStep] = []
        self.events: list[str] = []

    def launch(self, plan: StepPlan) -> LazyStep:
        assert plan.scheduled
        self.plans.append(plan)
        self.events.append("launch")
        self.in_flight.append(LazyStep(self, plan))
        assert len(self.in_flight) <= 1 + self.overlaps
        for new in plan.new:
            self.known[new.request_id] = KnownTokens(len(new.token_ids))
        for part in plan.scheduled:
            end = part.num_computed_tokens + part.num_new_tokens
            if part.draft_token_ids or part.request_id in self.penalised:
                assert end <= self.known[part.request_id].count, "planned before it was known"
        self.in_flight[-1].known = dict(self.known)
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

    def choose(self, state: RunnerState, value: int) -> int:
        return next_token(value)

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
        assert num_output < state.sampling.max_tokens, "computed beyond the foreseen end"
        state.token_ids.append(self.choose(state, value))
        assert len(state.token_ids) <= self.max_model_len
        result.sampled.append(SampledToken(request_id, state.token_ids[-1]))
        return True
