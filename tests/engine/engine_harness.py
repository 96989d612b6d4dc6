"""An engine over a runner that checks what it is told."""

from __future__ import annotations

import random
from collections.abc import Sequence

from checking_runner import (
    ALPHABET,
    VOCAB_SIZE,
    CheckingRunner,
    answer_alone,
    chain,
    next_token,
    start_of_chain,
)

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.drafter import Drafter, Speculator
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    RequestOutput,
    SamplingParams,
)
from rostra.mesh.engine.request import Request


def request_of(token_ids: list[int]) -> Request:
    """Without an engine around it."""
    request = EngineRequest(
        request_id="r", prompt_token_ids=token_ids, sampling=SamplingParams(max_tokens=1000)
    )
    return Request.of(request, arrival=0, max_model_len=10000)


class SometimesRight:
    """Knows what comes next, but says something else at times, even what is no token at all."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def draft(self, request: Request, count: int) -> list[int]:
        value = start_of_chain(request.cache_salt)
        for token in request.token_ids:
            value = chain(value, token)
        guesses = []
        for _ in range(self._rng.randint(0, count)):
            wrong = self._rng.choice((*ALPHABET, -1, VOCAB_SIZE))
            guesses.append(next_token(value) if self._rng.random() < 0.7 else wrong)
            value = chain(value, guesses[-1])
        return guesses

    def forget(self, request: Request) -> None:
        pass


class Impatient(Speculator):
    """Never has the engine wait for a draft, so that steps with and without drafts alternate."""

    def worth_waiting(self, running: Sequence[Request]) -> bool:
        return False


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
        policy: type[Speculator] = Speculator,
        row_cost: float = 0.0,
        runner: type[CheckingRunner] = CheckingRunner,
        **config: object,
    ) -> None:
        """With a `row_cost` of 0 the drafter may guess in every step, however often it is wrong."""
        self.now = 0.0
        self.runner = runner(num_blocks, block_size, max_model_len, overlaps)
        self.config = EngineConfig(model_path="", **config)
        speculator = drafter and policy(
            drafter,
            vocab_size=VOCAB_SIZE,
            num_draft_tokens=self.config.num_draft_tokens,
            row_cost=row_cost,
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
        if request.sampling.repetition_penalty != 1:
            self.runner.penalised.add(request_id)
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
        assert not self.runner.in_flight, "a step is left behind"

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
        lasts = [outputs[-1].phases for outputs in self.outputs.values()]
        assert load.preemptions == sum(len(phases.preempted) for phases in lasts)
        parts = [part for plan in self.runner.plans for part in plan.scheduled]
        assert (load.steps, load.step_requests) == (len(self.runner.plans), len(parts))
        computed = sum(part.num_new_tokens + len(part.draft_token_ids) for part in parts)
        assert load.step_tokens == computed

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
        self._check_phases(self.outputs[request.request_id])
        stopped = last.finish is FinishReason.STOP
        assert last.stop_token_id == (last.tokens[-1].id if stopped else None)
        assert (last.error is not None) == (last.finish is FinishReason.ERROR)

    def _check_phases(self, outputs: list[RequestOutput]) -> None:
        first, *_, last = (outputs[0], *outputs)
        assert all((o.phases is None) == (o not in (first, last)) for o in outputs)
        phases = last.phases
        times = [phases.arrived, phases.started, phases.first_token, phases.finished]
        known = [time for time in times if time is not None]
        assert known == sorted(known)
        assert phases.finished is not None
        assert phases.preempted == sorted(phases.preempted)
        assert not phases.preempted or phases.started <= phases.preempted[0]
        assert (phases.first_token is None) == (not any(o.tokens for o in outputs))
        assert first.phases.started == phases.started
        assert (first.phases.finished is None) == (first is not last)
