"""What the engine computes when, and how requests end."""

from __future__ import annotations

import pytest
from checking_runner import FAULT
from engine_harness import Harness

from rostra.mesh.engine.messages import EngineRequest, FinishReason, SamplingParams


def shares(harness: Harness) -> list[dict[str, int]]:
    """Tokens computed for each request, step by step."""
    return [
        {part.request_id: part.num_new_tokens for part in plan.scheduled}
        for plan in harness.runner.plans
    ]


def test_a_long_prompt_is_computed_in_chunks_beside_running_requests() -> None:
    harness = Harness(max_num_batched_tokens=4)
    harness.add("short", [1], max_tokens=4)
    harness.step()
    harness.add("long", [0] * 7, max_tokens=1)
    harness.drain()
    assert shares(harness) == [
        {"short": 1},
        {"short": 1, "long": 3},
        {"short": 1, "long": 3},
        {"short": 1, "long": 1},
    ]
    harness.check_answers()


def test_waiting_requests_start_by_priority_and_then_by_arrival() -> None:
    harness = Harness(max_num_seqs=1)
    for request_id, priority in (("a", 1), ("b", 0), ("c", 0), ("d", -1)):
        harness.add(request_id, [1], priority=priority, max_tokens=1)
    harness.drain()
    assert [next(iter(step)) for step in shares(harness)] == ["d", "b", "c", "a"]


def test_no_more_requests_run_than_may() -> None:
    harness = Harness(max_num_seqs=2)
    for request_id in "abc":
        harness.add(request_id, [1], max_tokens=2)
    harness.drain()
    assert [set(step) for step in shares(harness)] == [{"a", "b"}, {"a", "b"}, {"c"}, {"c"}]


def test_a_request_starts_only_where_the_running_ones_can_still_grow() -> None:
    harness = Harness(num_blocks=4, block_size=2, prefix_caching=False)
    harness.add("a", [1] * 3, max_tokens=3)
    harness.step()
    harness.add("b", [0] * 3, max_tokens=1)
    harness.drain()
    assert [set(step) for step in shares(harness)] == [{"a"}, {"a"}, {"a"}, {"b"}]
    assert harness.engine.load().preemptions == 0


def test_requests_that_arrive_together_share_their_prompt() -> None:
    harness = Harness(block_size=4)
    for request_id in "abc":
        harness.add(request_id, [0] * 10, max_tokens=1)
    harness.step()
    assert shares(harness) == [{"a": 10, "b": 2, "c": 2}]
    harness.check_answers()
    load = harness.engine.load()
    assert (load.prefix_cache_queried_tokens, load.prefix_cache_hit_tokens) == (30, 16)
    assert [harness.outputs[r][0].num_cached_tokens for r in "abc"] == [0, 8, 8]


def test_a_prompt_that_is_cached_in_full_computes_its_last_block() -> None:
    harness = Harness(block_size=4)
    for request_id in "ab":
        harness.add(request_id, [0] * 8, max_tokens=1)
        harness.drain()
    assert shares(harness) == [{"a": 8}, {"b": 4}]
    harness.check_answers()


@pytest.mark.parametrize("overlaps", [False, True])
def test_generated_tokens_serve_the_next_turn_of_a_conversation(overlaps: bool) -> None:
    harness = Harness(block_size=2, overlaps=overlaps)
    harness.add("first", [0, 1, 0], max_tokens=6)
    harness.drain()
    harness.add("second", [0, 1, 0, *harness.tokens("first"), 1], max_tokens=1)
    harness.drain()
    assert harness.outputs["second"][0].num_cached_tokens == 8
    harness.check_answers()


def test_salts_do_not_share() -> None:
    harness = Harness(block_size=2)
    harness.add("mine", [0] * 6, salt="a", max_tokens=1)
    harness.add("theirs", [0] * 6, salt="b", max_tokens=1)
    harness.drain()
    assert harness.outputs["theirs"][0].num_cached_tokens == 0
    harness.check_answers()


@pytest.mark.parametrize(
    ("priorities", "victim"), [((0, 0), "b"), ((1, 0), "a")], ids=["latest", "least-urgent"]
)
def test_preemption_takes_the_last_in_rank(priorities: tuple[int, int], victim: str) -> None:
    harness = Harness(num_blocks=4, block_size=2, prefix_caching=False)
    for request_id, priority in zip("ab", priorities, strict=True):
        harness.add(request_id, [1, 1], priority=priority, max_tokens=5)
    harness.drain()
    told = [request_id for plan in harness.runner.plans for request_id in plan.finished]
    assert told[0] == victim
    assert harness.engine.load().preemptions == 1
    harness.check_answers()


def test_a_preempted_request_goes_on_where_it_was() -> None:
    harness = Harness(num_blocks=4, block_size=2, prefix_caching=False)
    for request_id in "ab":
        harness.add(request_id, [1, 1], max_tokens=5)
    harness.drain()
    again = [new for plan in harness.runner.plans for new in plan.new if new.request_id == "b"][-1]
    assert again.num_prompt_tokens == 2
    assert again.token_ids == [1, 1, *harness.tokens("b")[: len(again.token_ids) - 2]]
    assert len(again.token_ids) > 2


def test_it_is_told_when_a_request_went_from_phase_to_phase() -> None:
    harness = Harness(num_blocks=4, block_size=2, prefix_caching=False, max_num_seqs=2)
    harness.now = 10.0
    for request_id in "abc":
        harness.add(request_id, [1, 1], max_tokens=5)
    harness.now = 11.0
    while harness.engine.has_work:
        harness.step()
        harness.now += 1.0
    a, b, c = (harness.outputs[request_id][-1].phases for request_id in "abc")
    assert [phases.arrived for phases in (a, b, c)] == [10.0] * 3
    assert (a.started, a.first_token, a.preempted) == (11.0, 11.0, [])
    assert a.finished == a.first_token + 4
    # The cache holds one of them to its end.
    assert b.started == 11.0
    (moment,) = b.preempted
    assert b.started < moment < b.finished
    assert c.started >= a.finished
    harness.check_answers()


def test_a_request_that_fills_the_cache_alone_ends_with_length() -> None:
    harness = Harness(num_blocks=3, block_size=2)
    harness.add("a", [1, 1], max_tokens=1000)
    harness.drain()
    assert harness.finish("a") is FinishReason.LENGTH
    assert len(harness.tokens("a")) == 4
    assert harness.engine.load().preemptions == 0


def test_the_context_of_the_model_ends_with_length() -> None:
    harness = Harness(max_model_len=10)
    harness.add("a", [1] * 7, max_tokens=1000)
    harness.drain()
    assert harness.finish("a") is FinishReason.LENGTH
    assert len(harness.tokens("a")) == 3


def test_a_deadline_ends_a_request_in_the_queue_and_while_it_runs() -> None:
    harness = Harness(max_num_seqs=1)
    harness.add("running", [1], deadline=5.0, max_tokens=50)
    harness.add("queued", [1], deadline=3.0, max_tokens=50)
    harness.step()
    harness.now = 3.0
    harness.step()
    assert harness.finish("queued") is FinishReason.DEADLINE
    assert harness.finish("running") is None
    harness.now = 5.0
    harness.step()
    assert harness.finish("running") is FinishReason.DEADLINE
    assert len(harness.tokens("running")) == 2
    assert not harness.engine.has_work
    harness.check_answers()


def test_abort_ends_a_request_once() -> None:
    harness = Harness()
    harness.add("a", [1], max_tokens=50)
    harness.step()
    assert harness.abort("a")
    assert not harness.abort("a")
    assert harness.engine.has_work, "the end has not been told yet"
    harness.step()
    assert harness.finish("a") is FinishReason.ABORT
    assert not harness.engine.has_work
    assert not harness.abort("never was")
    harness.check_answers()


def test_an_ended_request_is_forgotten_before_its_id_is_used_again() -> None:
    harness = Harness()
    harness.add("a", [1], max_tokens=50)
    harness.step()
    harness.abort("a")
    harness.step()
    harness.add("a", [0, 0], max_tokens=2)
    harness.drain()
    assert harness.runner.plans[-2].finished == ["a"]
    assert len(harness.tokens("a")) == 2


def test_prompt_logprobs_are_computed_and_not_taken_from_the_cache() -> None:
    harness = Harness(block_size=2, max_num_batched_tokens=3)
    prompt = [0, 1] * 5
    harness.add("plain", prompt, max_tokens=1)
    harness.drain()
    harness.add("asked", prompt, prompt_logprobs=0, max_tokens=3)
    harness.drain()
    assert harness.outputs["asked"][0].num_cached_tokens == 0
    assert len(harness.outputs["asked"][0].prompt_logprobs or []) == 10
    assert harness.engine.load().prefix_cache_queried_tokens == 10
    harness.check_answers()


def test_prompt_logprobs_of_one_token_are_none() -> None:
    harness = Harness()
    harness.add("a", [1], prompt_logprobs=0, max_tokens=1)
    harness.drain()
    assert harness.outputs["a"][0].prompt_logprobs == [None]


def test_a_failed_token_ends_its_request_only() -> None:
    harness = Harness(block_size=2)
    harness.add("bad", [0] * 5, temperature=FAULT, max_tokens=9)
    harness.add("good", [1] * 5, max_tokens=9)
    harness.drain()
    assert harness.finish("bad") is FinishReason.ERROR
    assert harness.outputs["bad"][-1].error == "planted fault"
    harness.add("later", [0] * 5, max_tokens=1)
    harness.drain()
    assert harness.outputs["later"][0].num_cached_tokens == 0, "blocks of a failure are not reused"
    harness.check_answers()


def test_a_fault_of_the_runner_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.add("a", [1])

    def fail(plan: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(harness.runner, "launch", fail)
    with pytest.raises(ZeroDivisionError):
        harness.step()


def test_load_counts_what_runs_and_what_waits() -> None:
    harness = Harness(max_num_seqs=1, block_size=4, num_blocks=10)
    harness.add("a", [1] * 5, max_tokens=9)
    harness.add("b", [0] * 6, max_tokens=9)
    harness.step()
    load = harness.engine.load()
    assert (load.running_requests, load.waiting_requests) == (1, 1)
    assert load.queued_tokens == 1 + 6
    assert (load.kv_blocks_total, load.kv_blocks_used) == (10, 2)
    assert (load.prompt_tokens, load.generated_tokens) == (5, 1)
    harness.drain()
    assert harness.engine.load().prompt_tokens == 11
    assert harness.engine.load().queued_tokens == 0


def test_names_of_a_prompt_are_told_when_its_blocks_are_cached() -> None:
    harness = Harness(block_size=2)
    harness.engine.follow_cache(keys=True, blocks=False)
    harness.engine.cache_changes()
    request = EngineRequest(
        request_id="a",
        prompt_token_ids=[0, 1, 2, 0, 1],
        sampling=SamplingParams(max_tokens=1),
        prefix_keys=[7, 8],
        prefix_covered=0.8,
    )
    harness.runner.salts["a"] = ""
    harness.engine.add_request(request)
    assert harness.engine.cache_changes() is None, "nothing is computed yet"
    harness.engine.step()
    changes = harness.engine.cache_changes()
    assert changes is not None
    assert changes.keys_stored == [7, 8]
