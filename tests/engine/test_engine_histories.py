"""Whatever happens to an engine, every request ends once, as it would alone, and nothing leaks."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from checking_runner import ALPHABET, END, FAULT
from engine_harness import Harness, Impatient, SometimesRight
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rostra.mesh.engine.admission import PromptTooLongError, QueueFullError
from rostra.mesh.engine.drafter import Drafter, Speculator
from rostra.mesh.engine.ngram import NGramDrafter

HISTORIES = 600
SHARDS = 3


@dataclass(frozen=True)
class Mode:
    """A loop of the engine, and what guesses for it."""

    overlaps: bool
    drafter: Callable[[int], Drafter] | None = None
    policy: type[Speculator] = Speculator


MODES = {
    "plain": Mode(False),
    "overlapped": Mode(True),
    "plain-ngram": Mode(False, lambda seed: NGramDrafter()),
    "overlapped-ngram": Mode(True, lambda seed: NGramDrafter()),
    "plain-guesses": Mode(False, SometimesRight),
    "overlapped-guesses": Mode(True, SometimesRight),
    "overlapped-impatient": Mode(True, SometimesRight, Impatient),
}


def random_harness(rng: random.Random, mode: Mode) -> Harness:
    return Harness(
        overlaps=mode.overlaps,
        drafter=mode.drafter and mode.drafter(rng.randint(0, 1000)),
        policy=mode.policy,
        num_draft_tokens=rng.randint(1, 4),
        num_blocks=rng.randint(1, 12),
        block_size=rng.randint(1, 4),
        max_model_len=rng.randint(4, 40),
        max_num_seqs=rng.randint(1, 8),
        max_num_batched_tokens=rng.randint(1, 16),
        max_waiting_requests=rng.randint(0, 8),
        prefix_caching=rng.random() < 0.8,
    )


def add_random(harness: Harness, rng: random.Random, request_id: str) -> bool:
    """False where the engine refused, as it may: the prompt is too long or the queue full."""
    prompt = [rng.choice(ALPHABET) for _ in range(rng.choice((1, 2, 3, 5, 8, 13)))]
    if harness.requests and rng.random() < 0.4:
        # Goes on from another request's prompt, as the next turn of a conversation does.
        prompt = rng.choice(list(harness.requests.values())).prompt_token_ids + prompt
    try:
        harness.add(
            request_id,
            prompt[: rng.randint(1, 30)],
            deadline=harness.now + rng.randint(0, 20) if rng.random() < 0.2 else None,
            priority=rng.randint(0, 2),
            salt=rng.choice(("", "", "other")),
            max_tokens=rng.choice((1, 2, 5, 10, 1000)),
            stop_token_ids=frozenset({END} if rng.random() < 0.3 else ()),
            prompt_logprobs=0 if rng.random() < 0.15 else None,
            temperature=FAULT if rng.random() < 0.05 else 1.0,
            repetition_penalty=2.0 if rng.random() < 0.1 else 1.0,
        )
    except (PromptTooLongError, QueueFullError):
        return False
    return True


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_random_histories(mode: Mode, shard: int) -> None:
    preemptions = hits = accepted = 0
    for seed in range(shard, HISTORIES, SHARDS):
        rng = random.Random(seed)
        harness = random_harness(rng, mode)
        for number in range(rng.randint(5, 40)):
            event = rng.random()
            if event < 0.4:
                add_random(harness, rng, f"r{number}")
            elif event < 0.85:
                harness.step()
            elif event < 0.93 and harness.requests:
                harness.abort(rng.choice(list(harness.requests)))
            else:
                harness.now += rng.randint(1, 5)
        harness.drain()
        harness.check_answers()
        load = harness.engine.load()
        preemptions += load.preemptions
        hits += load.prefix_cache_hit_tokens
        accepted += load.accepted_draft_tokens
    assert preemptions > HISTORIES / SHARDS / 10, "the histories preempt too little to prove much"
    assert hits > HISTORIES / SHARDS / 10, "the histories share too little to prove much"
    assert (accepted > HISTORIES / SHARDS / 10) == (mode.drafter is not None)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_more_seats_than_blocks_fail_nobody(mode: Mode) -> None:
    harness = Harness(
        num_blocks=4,
        block_size=2,
        max_num_seqs=16,
        overlaps=mode.overlaps,
        drafter=mode.drafter and mode.drafter(0),
        policy=mode.policy,
    )
    for number in range(12):
        harness.add(f"r{number}", [number % 2] * (1 + number % 3), priority=-number, max_tokens=5)
        harness.step()
    harness.drain()
    harness.check_answers()
    assert harness.engine.load().preemptions > 0


class EngineMachine(RuleBasedStateMachine):
    """The same events, but chosen so that a failure shrinks to a short history."""

    mode = Mode(False)

    def __init__(self) -> None:
        super().__init__()
        self.harness = Harness()

    @initialize(
        num_blocks=st.integers(1, 8),
        block_size=st.integers(1, 3),
        max_num_seqs=st.integers(1, 4),
        budget=st.integers(1, 8),
    )
    def start(self, num_blocks: int, block_size: int, max_num_seqs: int, budget: int) -> None:
        self.harness = Harness(
            num_blocks=num_blocks,
            block_size=block_size,
            max_model_len=30,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=budget,
            overlaps=self.mode.overlaps,
            drafter=self.mode.drafter and self.mode.drafter(0),
            policy=self.mode.policy,
        )

    @rule(
        prompt=st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=10),
        priority=st.integers(0, 1),
        max_tokens=st.sampled_from((1, 3, 50)),
        salt=st.sampled_from(("", "other")),
        deadline=st.none() | st.integers(0, 10),
        prompt_logprobs=st.sampled_from((None, None, 0)),
        stop=st.booleans(),
    )
    def add(self, prompt, priority, max_tokens, salt, deadline, prompt_logprobs, stop) -> None:
        fits = len(prompt) < self.harness.max_len
        try:
            self.harness.add(
                f"r{len(self.harness.requests)}",
                prompt,
                priority=priority,
                deadline=None if deadline is None else self.harness.now + deadline,
                salt=salt,
                max_tokens=max_tokens,
                stop_token_ids=frozenset({END} if stop else ()),
                prompt_logprobs=prompt_logprobs,
            )
        except PromptTooLongError:
            assert not fits
        else:
            assert fits

    @precondition(lambda self: self.harness.requests)
    @rule(data=st.data())
    def abort(self, data) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.harness.requests)))
        ended = self.harness.finish(request_id) is not None
        assert not (self.harness.abort(request_id) and ended)
        assert not self.harness.abort(request_id), "the second abort finds nothing to end"

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.harness.now += seconds

    @rule(count=st.integers(1, 4))
    def step(self, count: int) -> None:
        for _ in range(count):
            self.harness.step()

    def teardown(self) -> None:
        self.harness.drain()
        self.harness.check_answers()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_chosen_histories(mode: Mode) -> None:
    run_state_machine_as_test(
        type("Machine", (EngineMachine,), {"mode": mode}),
        settings=settings(max_examples=30, stateful_step_count=30, deadline=None),
    )
