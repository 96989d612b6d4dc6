"""Guessed tokens change the number of steps, and nothing else."""

from __future__ import annotations

import pytest
from checking_runner import END, CheckingRunner, RunnerState, next_token
from engine_harness import Harness, SometimesRight

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.drafter import Drafter
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import FinishReason
from rostra.mesh.engine.request import Request
from rostra.mesh.errors import RostraError


class RepeatingRunner(CheckingRunner):
    """Its model says what it saw three tokens ago."""

    def choose(self, state: RunnerState, value: int) -> int:
        return state.token_ids[-3] if len(state.token_ids) >= 3 else next_token(value)


class AlwaysWrong:
    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def draft(self, request: Request, count: int) -> list[int]:
        return [7] * count

    def forget(self, request: Request) -> None:
        self.forgotten.append(request.id)


class AlwaysRight(SometimesRight):
    """For the model that repeats three tokens."""

    def draft(self, request: Request, count: int) -> list[int]:
        text = list(request.token_ids)
        for _ in range(count):
            text.append(text[-3])
        return text[len(request.token_ids) :]


class OnlyForB(AlwaysWrong):
    def draft(self, request: Request, count: int) -> list[int]:
        return super().draft(request, count) if request.id == "b" else []


@pytest.mark.parametrize("overlaps", [False, True])
def test_text_that_repeats_itself_takes_fewer_steps(overlaps: bool) -> None:
    plain = Harness(runner=RepeatingRunner, overlaps=overlaps)
    guessing = Harness(runner=RepeatingRunner, overlaps=overlaps, speculation="ngram")
    for harness in (plain, guessing):
        for request_id in "ab":
            harness.add(request_id, [0, 1, 0, 0], max_tokens=60)
        harness.drain()
    for request_id in "ab":
        assert guessing.tokens(request_id) == plain.tokens(request_id)
        assert guessing.finish(request_id) is FinishReason.LENGTH
    load = guessing.engine.load()
    assert load.accepted_draft_tokens > 60
    assert len(guessing.runner.plans) < len(plain.runner.plans) / 2
    # Each request has its first token from the prompt, then one per step beside those guessed.
    parts = sum(len(plan.scheduled) for plan in guessing.runner.plans)
    assert load.generated_tokens == parts + load.accepted_draft_tokens == 120


@pytest.mark.parametrize("overlaps", [False, True])
def test_wrong_guesses_change_nothing_but_counters(overlaps: bool) -> None:
    drafter = AlwaysWrong()
    plain, wrong = Harness(overlaps=False), Harness(overlaps=overlaps, drafter=drafter)
    for harness in (plain, wrong):
        for request_id in "ab":
            harness.add(request_id, [0, 1, 0, 0], max_tokens=30)
        harness.drain()
        harness.check_answers()
    assert len(wrong.runner.plans) == len(plain.runner.plans)
    load = wrong.engine.load()
    assert load.draft_tokens > 0
    assert load.accepted_draft_tokens == 0
    assert sorted(drafter.forgotten) == ["a", "b"]


@pytest.mark.parametrize(
    ("drafter", "fewest", "most"), [(AlwaysWrong(), 1, 20), (AlwaysRight(0), 60, 80)]
)
def test_guesses_that_fail_are_given_up(drafter: Drafter, fewest: int, most: int) -> None:
    harness = Harness(runner=RepeatingRunner, drafter=drafter, row_cost=0.15)
    harness.add("a", [0, 0, 1], max_tokens=90)
    harness.drain()
    assert fewest <= harness.engine.load().draft_tokens <= most


def test_a_stop_among_right_guesses_ends_the_request_there() -> None:
    harness = Harness(runner=RepeatingRunner, drafter=AlwaysRight(0), num_draft_tokens=4)
    harness.add("a", [0, 0, END], max_tokens=20, stop_token_ids=frozenset({END}))
    harness.drain()
    assert harness.tokens("a") == [0, 0, END]
    assert harness.finish("a") is FinishReason.STOP
    assert harness.outputs["a"][-1].stop_token_id == END
    assert len(harness.runner.plans) == 1
    load = harness.engine.load()
    assert (load.draft_tokens, load.accepted_draft_tokens, load.generated_tokens) == (4, 2, 3)


def test_guesses_end_where_the_request_does() -> None:
    harness = Harness(runner=RepeatingRunner, drafter=AlwaysRight(0), num_draft_tokens=4)
    harness.add("a", [0, 0, 1], max_tokens=4)
    harness.drain()
    (plan,) = harness.runner.plans
    assert len(plan.scheduled[0].draft_token_ids) == 3, "the fourth token is sampled behind them"
    assert len(harness.tokens("a")) == 4


def test_the_context_of_the_model_bounds_guesses() -> None:
    harness = Harness(
        runner=RepeatingRunner, drafter=AlwaysRight(0), num_draft_tokens=4, max_model_len=6
    )
    harness.add("a", [0, 0, 1], max_tokens=100)
    harness.drain()
    assert [len(plan.scheduled[0].draft_token_ids) for plan in harness.runner.plans] == [2]


def test_tokens_come_before_guesses_in_the_budget() -> None:
    harness = Harness(drafter=AlwaysWrong(), max_num_batched_tokens=5, num_draft_tokens=4)
    harness.add("a", [0], max_tokens=9)
    harness.step()
    harness.add("b", [1] * 3, max_tokens=9)
    harness.step()
    running, admitted = harness.runner.plans[-1].scheduled
    assert (running.num_new_tokens, admitted.num_new_tokens) == (1, 3)
    assert len(running.draft_token_ids) + len(admitted.draft_token_ids) == 1


def test_an_unfinished_prompt_is_not_guessed_for() -> None:
    harness = Harness(drafter=AlwaysWrong(), max_num_batched_tokens=4)
    harness.add("a", [0] * 6, max_tokens=9)
    harness.step()
    harness.step()
    first, second = harness.runner.plans
    assert first.scheduled[0].draft_token_ids == []
    assert len(second.scheduled[0].draft_token_ids) == 2


@pytest.mark.parametrize("follows_grammar", [False, True])
def test_one_without_guesses_keeps_nobody_from_them(follows_grammar: bool) -> None:
    harness = Harness(drafter=OnlyForB() if not follows_grammar else AlwaysWrong())
    for request_id in "ab":
        harness.add(request_id, [0], max_tokens=9)
    if follows_grammar:
        first = harness.engine._scheduler.queues.find("a")
        assert first is not None
        first.grammar = "one that leaves nothing to guess"
    harness.step()
    drafts = [part.draft_token_ids for part in harness.runner.plans[0].scheduled]
    assert drafts[0] == []
    assert drafts[1], "the second is guessed for all the same"


def test_a_guess_takes_no_block_from_one_that_waits() -> None:
    harness = Harness(drafter=AlwaysWrong(), num_blocks=8, block_size=2, max_num_seqs=1)
    harness.add("a", [0, 0], max_tokens=8)
    harness.add("b", [1], max_tokens=1)
    harness.step()
    assert harness.runner.plans[0].scheduled[0].draft_token_ids == [], "its block is full"
    harness.step()
    assert len(harness.runner.plans[1].scheduled[0].draft_token_ids) == 1


def test_a_guess_takes_no_block_from_one_that_runs() -> None:
    harness = Harness(drafter=AlwaysWrong(), num_blocks=5, block_size=2, prefix_caching=False)
    harness.add("a", [0, 0], max_tokens=3)
    harness.add("b", [1, 1], max_tokens=3)
    harness.step()
    # Three of five blocks are free, and two of them are for the two that run.
    drafts = [part.draft_token_ids for part in harness.runner.plans[0].scheduled]
    assert [len(draft) for draft in drafts] == [2, 0]
    harness.drain()
    assert harness.engine.load().preemptions == 0
    harness.check_answers()


def test_no_tokens_to_guess_is_refused() -> None:
    with pytest.raises(RostraError, match="num_draft_tokens is 0"):
        Engine(
            CheckingRunner(4, 4, 16),
            EngineConfig(model_path="", speculation="ngram", num_draft_tokens=0),
        )
