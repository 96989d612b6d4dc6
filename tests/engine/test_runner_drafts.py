"""Tokens with drafts are the tokens without: right ones, wrong ones, and those in between."""

from __future__ import annotations

import random

import pytest
import torch
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from runner_driver import MAX_MODEL_LEN, SAMPLING, Driver, make_runner

from rostra.mesh.engine.launched import accept
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import NewRequest, SampledToken, ScheduledRequest, StepPlan
from rostra.mesh.engine.sampler import Sampler

PROMPTS = {"a": list(range(10, 30)), "b": [7, 8, 9], "c": [40, 41] * 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drafts")
    save_checkpoint(folder, SHAPES["multi-head"])
    return folder


def start(folder, **sampling):
    driver = Driver(make_runner(folder))
    for name, prompt in PROMPTS.items():
        driver.add(name, prompt, **sampling)
    return driver


def room(tokens):
    """Drafts that fit, with the token behind them, into the length of the model."""
    return MAX_MODEL_LEN - len(tokens) - 1


def right(expected):
    return lambda name, tokens: expected[name][len(tokens) :][: min(4, room(tokens))]


def wrong(expected):
    def drafts(name, tokens):
        following = expected[name][len(tokens) :][: min(3, room(tokens))]
        return [(token + 1) % VOCAB_SIZE for token in following]

    return drafts


def mixed(expected):
    """Some requests with, some without, each draft right or wrong by chance."""
    chance = random.Random(3)

    def drafts(name, tokens):
        following = expected[name][len(tokens) :][: min(chance.randrange(6), room(tokens))]
        return [t if chance.random() < 0.7 else chance.randrange(VOCAB_SIZE) for t in following]

    return drafts


@pytest.mark.parametrize("drafter", [right, wrong, mixed], ids=lambda f: f.__name__)
@pytest.mark.parametrize("setting", SAMPLING)
def test_tokens_are_those_without_drafts(folder, setting, drafter):
    plain = start(folder, **SAMPLING[setting])
    expected = plain.run(MAX_MODEL_LEN)
    drafted = start(folder, **SAMPLING[setting])
    assert drafted.run(MAX_MODEL_LEN, drafter(expected)) == expected
    for name, request in drafted.requests.items():
        without = plain.requests[name].sampled
        assert all(token.error is None for token in request.sampled)
        for mine, its in zip(request.sampled, without, strict=False):
            assert (mine.logprobs is None) == (setting != "with logprobs")
            if mine.logprobs is not None:
                assert mine.logprobs.logprob == pytest.approx(its.logprobs.logprob, abs=1e-4)
                assert [i for i, _ in mine.logprobs.candidates] == [
                    i for i, _ in its.logprobs.candidates
                ]


def test_right_drafts_save_steps_and_wrong_ones_cost_none(folder):
    expected = start(folder).run(MAX_MODEL_LEN)
    # 61 tokens: one behind the prompt, then five or one in each step.
    for drafter, num_steps in ((right, 1 + 60 // 5), (wrong, 61)):
        driver = start(folder)
        for name in ("a", "c"):
            driver.finish(name)
        steps = 0
        while len(driver.requests["b"].tokens) < MAX_MODEL_LEN:
            driver.step(drafter(expected))
            steps += 1
        assert steps == num_steps


def test_token_that_could_not_be_chosen_ends_the_acceptance(folder):
    class Failing(Sampler):
        def launch(self, logits, rows):
            logits = logits.clone()
            for row, values in zip(rows, logits, strict=True):
                if row.num_output_tokens == 3:
                    values[:] = torch.nan
            return super().launch(logits, rows)

    expected = start(folder).run(40)
    driver = Driver(make_runner(folder, Failing()))
    driver.add("a", PROMPTS["a"])
    driver.step()
    result = driver.step(right(expected))
    assert [token.error is None for token in result.sampled] == [True, True, False]
    assert [token.token_id for token in result.sampled[:2]] == expected["a"][21:23]


@pytest.mark.parametrize(
    ("sampled", "drafts", "kept"),
    [
        ([5], [], [5]),
        ([5, 6], [5], [5, 6]),
        ([5, 6], [4], [5]),
        ([5, 6, 7, 8], [5, 6, 7], [5, 6, 7, 8]),
        ([5, 6, 7, 8], [5, 6, 9], [5, 6, 7]),
        ([-1, 6], [5], [-1]),
    ],
)
def test_acceptance_ends_with_the_first_that_differs(sampled, drafts, kept):
    tokens = [SampledToken("a", i, error="none" if i < 0 else None) for i in sampled]
    assert [token.token_id for token in accept(tokens, drafts)] == kept


@pytest.mark.parametrize(
    "part",
    [
        ScheduledRequest("a", 0, 21, [0, 1]),
        ScheduledRequest("a", 0, 19, [0, 1], [5]),
    ],
    ids=["tokens that are not there", "drafts before the end"],
)
def test_plan_that_contradicts_the_tokens_is_refused(folder, part):
    runner = make_runner(folder)
    new = NewRequest("a", PROMPTS["a"], 20, SamplingParams(temperature=0.0))
    with pytest.raises(ValueError, match="request a are scheduled, which has 20 tokens"):
        runner.launch(StepPlan([], [new], [part]))


@pytest.mark.parametrize(
    "part",
    [ScheduledRequest("a", 20, 1, [], [5]), ScheduledRequest("a", 19, 1, [], [5])],
    ids=["behind it", "in its place"],
)
def test_drafts_are_refused_while_the_token_before_them_is_pending(folder, part):
    driver = Driver(make_runner(folder))
    driver.add("a", PROMPTS["a"])
    driver.launch()
    with pytest.raises(ValueError, match="has 21 tokens, 20 of them on the host"):
        driver.runner.launch(StepPlan([], [], [part]))
