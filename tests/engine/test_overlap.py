"""A step is planned and launched while the one before it is in flight."""

from __future__ import annotations

import random

import pytest
from checking_runner import ALPHABET, END, FAULT, answer_alone
from engine_harness import Harness
from test_engine_histories import MODES, add_random, random_harness

from rostra.mesh.engine.blocks import IntegrityError
from rostra.mesh.engine.messages import EngineRequest, FinishReason, SamplingParams
from rostra.mesh.engine.ngram import NGramDrafter
from rostra.mesh.engine.scheduler import Scheduler
from rostra.mesh.worker import wire
from rostra.mesh.worker.engine_loop import EngineLoop


def test_the_next_step_is_launched_before_the_result_is_taken() -> None:
    harness = Harness(overlaps=True)
    harness.add("a", [0], max_tokens=4)
    assert harness.step() == [], "the first step is still in flight"
    assert [len(output.tokens) for output in harness.step()] == [1]
    harness.drain()
    launches = ["launch", *["launch", "result"] * 3, "result"]
    assert harness.runner.events == launches, "and none is launched beyond a foreseen end"
    harness.check_answers()


def test_the_plain_loop_can_be_asked_for() -> None:
    harness = Harness(overlaps=True, overlap=False)
    harness.add("a", [0], max_tokens=3)
    harness.drain()
    assert harness.runner.events == ["launch", "result"] * 3


@pytest.mark.parametrize("penalty", ["repetition_penalty", "frequency_penalty", "presence_penalty"])
def test_a_penalty_needs_the_result_before_the_plan(penalty: str) -> None:
    harness = Harness(overlaps=True)
    harness.add("plain", [0], max_tokens=8)
    harness.step()
    harness.add("penalised", [0], max_tokens=3, **{penalty: 1.5})
    harness.drain()
    # It samples in the steps 2 to 4; those that depend on its output are 3 and 4.
    overlapped = ["launch", "launch", "result"]
    assert harness.runner.events[:3] == overlapped
    assert harness.runner.events[3:7] == ["result", "launch"] * 2
    assert harness.runner.events[7:10] == ["launch", "result", "launch"]
    harness.check_answers()


def test_a_stop_drops_the_token_computed_after_it() -> None:
    for text in range(50):
        harness = Harness(overlaps=True)
        prompt = [ALPHABET[text // 3**i % 3] for i in range(4)]
        harness.add("a", prompt, max_tokens=20, stop_token_ids=frozenset({END}))
        harness.drain()
        harness.check_answers()
        if harness.finish("a") is FinishReason.STOP:
            assert len(harness.runner.plans) == len(harness.tokens("a")) + 1
            return
    raise AssertionError("no prompt came to a stop")


def test_an_abort_drops_what_is_in_flight() -> None:
    harness = Harness(overlaps=True)
    harness.add("a", [0], max_tokens=9)
    harness.step()
    harness.step()
    assert harness.abort("a")
    assert harness.engine.has_work
    assert [output.finish for output in harness.step()] == [FinishReason.ABORT]
    assert not harness.engine.has_work
    assert harness.runner.in_flight == [], "the last result is taken, though nobody wants it"
    assert len(harness.tokens("a")) == 1


def test_a_deadline_drops_what_is_in_flight() -> None:
    harness = Harness(overlaps=True)
    harness.add("a", [0], max_tokens=9, deadline=5.0)
    harness.add("b", [0, 0], max_tokens=9)
    harness.step()
    harness.now = 5.0
    harness.step()
    assert harness.finish("a") is FinishReason.DEADLINE
    assert harness.tokens("a") == []
    harness.drain()
    harness.check_answers()


def test_an_id_may_be_used_again_while_its_last_step_is_in_flight() -> None:
    harness = Harness(overlaps=True)
    harness.add("a", [0], max_tokens=9)
    harness.step()
    harness.step()
    harness.abort("a")
    harness.step()
    first = harness.outputs["a"]
    harness.add("a", [1, 1], max_tokens=3)
    harness.drain()
    assert first[-1].finish is FinishReason.ABORT
    assert len(harness.tokens("a")) == 3
    tokens, _ = answer_alone(harness.requests["a"], harness.max_len)
    assert harness.tokens("a") == tokens


def test_a_token_that_failed_in_flight_ends_its_request_only() -> None:
    harness = Harness(overlaps=True, block_size=2)
    harness.add("bad", [0] * 5, temperature=FAULT, max_tokens=9)
    harness.add("good", [1] * 5, max_tokens=9)
    harness.drain()
    assert harness.finish("bad") is FinishReason.ERROR
    assert len(harness.tokens("bad")) == 1
    harness.add("later", [0] * 5, max_tokens=1)
    harness.drain()
    assert harness.outputs["later"][0].num_cached_tokens == 0, "blocks of a failure are not reused"
    harness.check_answers()


def test_nobody_is_preempted_while_a_step_is_in_flight() -> None:
    harness = Harness(overlaps=True, num_blocks=4, block_size=2, prefix_caching=False)
    for request_id in "ab":
        harness.add(request_id, [1, 1], max_tokens=5)
    in_flight_when_told: list[int] = []
    while harness.engine.has_work:
        before = harness.engine.load().preemptions
        waiting = len(harness.runner.in_flight)
        harness.step()
        if harness.engine.load().preemptions > before:
            assert waiting == 1
            in_flight_when_told.append(harness.runner.events[-2:].count("launch"))
            assert harness.runner.events[-2:] == ["result", "launch"]
    assert in_flight_when_told == [1]
    harness.check_answers()


def test_the_last_free_block_is_no_reason_to_wait() -> None:
    harness = Harness(overlaps=True, num_blocks=4, block_size=2, prefix_caching=False)
    for request_id in "ab":
        harness.add(request_id, [1, 1], max_tokens=2)
    harness.step()
    harness.step()
    assert harness.runner.events == ["launch", "launch", "result"]
    assert harness.engine.load().kv_blocks_used == 4
    harness.drain()
    harness.check_answers()


def test_one_that_ends_in_flight_does_not_hold_up_the_next() -> None:
    harness = Harness(overlaps=True)
    harness.add("short", [0], max_tokens=1)
    harness.add("long", [1], max_tokens=3)
    harness.step()
    harness.step()
    assert harness.runner.events == ["launch", "launch", "result"]
    assert [part.request_id for part in harness.runner.plans[1].scheduled] == ["long"]
    harness.drain()
    harness.check_answers()


def test_a_prompt_with_a_penalty_is_computed_in_chunks_without_waiting() -> None:
    """Nothing of its output is in flight yet."""
    harness = Harness(overlaps=True, max_num_batched_tokens=2)
    harness.add("a", [0] * 6, max_tokens=1, repetition_penalty=1.5)
    harness.drain()
    assert harness.runner.events == ["launch", *["launch", "result"] * 2, "result"]
    harness.check_answers()


def test_text_that_repeats_itself_is_worth_a_wait() -> None:
    harness = Harness(overlaps=True, drafter=NGramDrafter())
    harness.add("a", [0, 1, 0, 1, 0, 1], max_tokens=2)
    harness.add("b", [0, 0, 1], max_tokens=2)
    harness.drain()
    assert harness.runner.plans[0].scheduled[0].draft_token_ids
    assert harness.runner.events[:3] == ["launch", "result", "launch"]
    harness.check_answers()


class Commands:
    """Gives the loop two turns' commands, and ends it when it would wait for more."""

    def __init__(self, *turns: list[wire.Command]) -> None:
        self.turns = list(turns)

    def take(self, *, wait: bool) -> list[wire.Command]:
        if self.turns:
            return self.turns.pop(0)
        if wait:
            raise EOFError
        return []

    def put(self, command: object) -> None:
        raise AssertionError("no adapter is loaded here")


class Events:
    busy_since: float | None = None

    def __init__(self) -> None:
        self.turns: list[wire.Turn] = []

    def put(self, event: wire.Turn) -> None:
        self.turns.append(event)


def test_the_loop_of_the_worker_waits_for_commands_only_when_nothing_is_in_flight() -> None:
    harness, events = Harness(overlaps=True), Events()
    requests = [
        EngineRequest(request_id=name, prompt_token_ids=[0], sampling=SamplingParams(max_tokens=3))
        for name in ("a", "b")
    ]
    harness.runner.salts |= {"a": "", "b": ""}
    commands = Commands([wire.Add(requests)], [wire.Abort(["b"])])
    with pytest.raises(EOFError):
        EngineLoop(harness.engine, commands, events).run()
    outputs = [output for turn in events.turns for output in turn.outputs]
    ends = {output.request_id: output.finish for output in outputs if output.finish is not None}
    assert ends == {"a": FinishReason.LENGTH, "b": FinishReason.ABORT}
    assert sum(len(output.tokens) for output in outputs if output.request_id == "a") == 3
    assert harness.runner.in_flight == []


def remember_tokens_in_flight(scheduler: Scheduler, request) -> None:
    scheduler._blocks.remember(request.table, request.token_ids, request.num_computed_tokens)


MUTANTS = {
    "_remember": ("overlapped", remember_tokens_in_flight),
    "must_wait": ("overlapped-impatient", lambda scheduler, in_flight: False),
    "_may_grow": ("overlapped-ngram", lambda scheduler, request, num_tokens: True),
}


def run_histories(count: int, mode: str) -> None:
    for seed in range(count):
        rng = random.Random(seed)
        harness = random_harness(rng, MODES[mode])
        for number in range(20):
            if rng.random() < 0.5:
                add_random(harness, rng, f"r{number}")
            harness.step()
        harness.drain(limit=500)
        harness.check_answers()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_histories_notice_a_planted_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mode, fault = MUTANTS[name]
    run_histories(20, mode)
    monkeypatch.setattr(Scheduler, name, fault)
    with pytest.raises((AssertionError, IntegrityError, KeyError, IndexError)):
        run_histories(200, mode)
