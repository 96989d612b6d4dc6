"""Steps that are launched before the result of the step before them has come."""

from __future__ import annotations

import pytest
import torch
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from model_harness import Harness, random_prompts
from runner_driver import MAX_MODEL_LEN, SAMPLING, Driver, make_runner

from rostra.mesh.engine.runner import Runner
from rostra.mesh.engine.sampler import Sampler

PROMPTS = {"a": list(range(10, 30)), "b": [7, 8, 9], "c": [40, 41] * 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overlap")
    save_checkpoint(folder, SHAPES["grouped, tied"])
    return folder


def start(folder, prompts=PROMPTS, sampler=None, **sampling):
    driver = Driver(make_runner(folder, sampler))
    for name, prompt in prompts.items():
        driver.add(name, prompt, **sampling)
    return driver


@pytest.mark.parametrize("setting", SAMPLING)
def test_late_results_change_nothing(folder, setting):
    plain, late = (start(folder, **SAMPLING[setting]) for _ in range(2))
    assert late.run_overlapped(MAX_MODEL_LEN) == plain.run(MAX_MODEL_LEN)
    for name, request in late.requests.items():
        assert request.sampled == plain.requests[name].sampled


def test_row_freed_and_used_again_is_not_touched_by_a_late_result(folder):
    expected = start(folder).run(30)
    # One row only, so that the next request must get the same.
    driver = Driver(make_runner(folder, max_num_seqs=1))
    driver.add("a", PROMPTS["a"])
    driver.step()
    first = driver.launch()
    driver.finish("a")
    driver.add("b", PROMPTS["b"])
    second = driver.launch()
    (late,) = first().sampled
    assert (late.request_id, late.token_id) == ("a", expected["a"][21])
    second()
    assert driver.run(30) == {"b": expected["b"]}


def test_request_that_comes_back_under_its_name_is_not_touched_either(folder):
    expected = start(folder).run(30)
    driver = Driver(make_runner(folder, max_num_seqs=1))
    driver.add("a", PROMPTS["a"])
    driver.step()
    first = driver.launch()
    driver.finish("a")
    driver.add("a", PROMPTS["b"])
    second = driver.launch()
    first()
    second()
    assert driver.run(30) == {"a": expected["b"]}


def test_new_requests_join_while_tokens_are_pending(folder):
    expected = start(folder).run(30)
    driver = Driver(make_runner(folder))
    pending = None
    for name, prompt in PROMPTS.items():
        driver.add(name, prompt)
        for _ in range(2):
            following = driver.launch()
            if pending is not None:
                pending()
            pending = following
    pending()
    assert driver.run(30) == expected


def test_error_leaves_the_request_where_it_was_and_the_others_alone(folder):
    class FailingOnce(Sampler):
        def launch(self, logits, rows):
            logits = logits.clone()
            for row, values in zip(rows, logits, strict=True):
                if row.request_id == "a" and row.num_output_tokens == 2:
                    values[5] = torch.nan
            return super().launch(logits, rows)

    expected = start(folder).run(30)
    driver = start(folder, sampler=FailingOnce())
    driver.step()
    driver.step()
    assert [token.error is None for token in driver.requests["a"].sampled] == [True, True]
    failing = driver.launch()
    behind_it = driver.launch()
    errors = {token.request_id: token.error for token in failing().sampled}
    assert errors["a"]
    assert errors["b"] is errors["c"] is None
    behind_it()
    failed = driver.finish("a")
    assert failed.tokens[:22] == expected["a"][:22]
    assert driver.run(30) == {name: expected[name] for name in "bc"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_num_batched_tokens": 7, "max_num_seqs": 3},
        {"num_blocks": 9, "max_num_seqs": 3},
        {"speculation": "ngram"},
    ],
    ids=str,
)
def test_overlapped_engine_gives_what_a_plain_one_gives(folder, monkeypatch, settings):
    """As on a GPU, with the results of a CPU: chunks, preemption and drafts under late results."""
    settings = {"max_model_len": MAX_MODEL_LEN} | settings
    prompts = random_prompts([1, 5, 20, 33, 16], VOCAB_SIZE) | {"again": [9, 8, 7] * 8}
    sampling = SAMPLING["penalised"] | {"repetition_penalty": 1.0}
    expected = Harness(folder, **settings).generate(prompts, 30, **sampling)
    monkeypatch.setattr(Runner, "overlaps", True)
    assert Harness(folder, **settings).generate(prompts, 30, **sampling) == expected
