"""What is computed before the first request, so that nothing is compiled after it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_checkpoints import SHAPES, save_checkpoint
from runner_driver import Driver, make_runner

from rostra.mesh.engine.requests import RunnerLimits
from rostra.mesh.engine.warm_up import SAMPLING, graph_plans, warm_up_plans

LIMITS = RunnerLimits(
    max_model_len=64, max_num_seqs=4, max_num_batched_tokens=128, num_draft_tokens=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warm-up")
    save_checkpoint(folder, SHAPES["multi-head"] | {"num_hidden_layers": 1})
    return folder


def kinds(plans):
    """(requests, most new tokens, longest context, most drafts) of each."""
    return {
        (
            len(plan.scheduled),
            max(part.num_new_tokens for part in plan.scheduled),
            max(part.num_computed_tokens + part.num_new_tokens for part in plan.scheduled),
            max(len(part.draft_token_ids) for part in plan.scheduled),
        )
        for plan in plans
    }


def test_largest_steps_of_each_kind_are_covered():
    assert kinds(warm_up_plans(LIMITS, 16)) >= {
        (1, 2, 2, 0),
        (1, 63, 63, 0),
        (4, 63, 63, 0),
        (1, 1, 16, 0),
        (1, 1, 63, 0),
        (4, 1, 16, 0),
        (4, 1, 63, 0),
        (4, 1, 62, 1),
        (4, 1, 61, 2),
    }
    assert kinds(graph_plans(LIMITS, [1, 4], 16)) == {(1, 1, 63, 0), (4, 1, 63, 0)}


def test_every_kind_of_sampling_is_covered():
    many = RunnerLimits(max_model_len=64, max_num_seqs=8, max_num_batched_tokens=128)
    plans = list(warm_up_plans(many, 16))
    assert {SAMPLING.index(new.sampling) for plan in plans for new in plan.new} == set(range(5))


@given(st.integers(2, 70), st.integers(1, 9), st.integers(1, 90), st.integers(0, 5))
def test_no_step_is_larger_than_the_limits(max_model_len, seqs, tokens, drafts):
    limits = RunnerLimits(max_model_len, seqs, tokens, drafts)
    for plan in warm_up_plans(limits, 16):
        assert 0 < len(plan.scheduled) <= seqs
        computed = [part.num_new_tokens + len(part.draft_token_ids) for part in plan.scheduled]
        assert 0 < min(computed) <= sum(computed) <= tokens
        for part in plan.scheduled:
            known = part.num_computed_tokens + part.num_new_tokens
            assert 0 <= part.num_computed_tokens < known
            assert known + len(part.draft_token_ids) < max_model_len


def test_plans_can_be_computed_and_leave_no_request_behind(folder):
    prompt = list(range(10, 30))
    fresh = Driver(make_runner(folder))
    fresh.add("a", prompt)
    runner = make_runner(folder)
    runner._run_and_drop(warm_up_plans(LIMITS, 16))
    warm = Driver(runner)
    for name in "abcd":
        warm.add(name, prompt)
    assert warm.run(40)["d"] == fresh.run(40)["a"]
