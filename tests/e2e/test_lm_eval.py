"""lm-eval measures a model behind Rostra as it measures it with `transformers`."""

from __future__ import annotations

from pathlib import Path

import datasets
import lm_eval
import pytest
import yaml
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
TASKS = Path(__file__).parent / "lm_eval_tasks"
TOLERANCE = 1e-3
"""Of a log-likelihood, in nats."""


def task(name: str) -> dict:
    """The task, with the data beside it wherever the tests run."""
    config = yaml.safe_load((TASKS / f"{name}.yaml").read_text())
    files = config["dataset_kwargs"]["data_files"]
    config["dataset_kwargs"]["data_files"] = {
        split: str(TASKS / file) for split, file in files.items()
    }
    return config


def responses(name: str, model, **arguments) -> list:
    """What the model said to each document, in order."""
    result = lm_eval.simple_evaluate(
        model=model,
        tasks=[task(name)],
        # The thousands of tasks that come with it take long to list.
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
        **arguments,
    )
    (samples,) = result["samples"].values()
    return [sample["filtered_resps"] for sample in sorted(samples, key=lambda one: one["doc_id"])]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Not the user's own, and nothing is asked of a hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def reference(demo_model) -> HFLM:
    return HFLM(
        pretrained=str(demo_model), dtype="float32", device="cpu", batch_size=1, max_length=512
    )


@pytest.fixture(scope="module")
def completions(up, demo_model) -> dict:
    return {
        "model": "local-completions",
        "model_args": {
            "model": MODEL,
            "base_url": f"{up.api}/v1/completions",
            "tokenizer_backend": "huggingface",
            "tokenizer": str(demo_model),
            "max_length": 512,
            "num_concurrent": 4,
            "max_retries": 1,
        },
    }


def test_loglikelihoods_of_choices_are_those_of_transformers(completions, reference):
    found = responses("rostra_capitals", **completions)
    expected = responses("rostra_capitals", reference)
    assert len(found) == len(expected) == 6
    for ours, theirs in zip(found, expected, strict=True):
        for (loglikelihood, greedy), (wanted, wanted_greedy) in zip(ours, theirs, strict=True):
            assert float(loglikelihood) == pytest.approx(float(wanted), abs=TOLERANCE)
            assert greedy == wanted_greedy


def test_loglikelihoods_of_texts_are_those_of_transformers(completions, reference):
    found = responses("rostra_sentences", **completions)
    expected = responses("rostra_sentences", reference)
    assert [float(one[0]) for one in found] == pytest.approx(
        [float(one[0]) for one in expected], abs=TOLERANCE
    )


def test_chat_completions_answer_as_transformers_generates(up, reference):
    found = responses(
        "rostra_questions",
        "local-chat-completions",
        model_args={
            "model": MODEL,
            "base_url": f"{up.api}/v1/chat/completions",
            "num_concurrent": 4,
            "max_retries": 1,
        },
        apply_chat_template=True,
    )
    expected = responses("rostra_questions", reference, apply_chat_template=True)
    assert found == expected
