"""Everything that generation can be asked for comes out of two ranks as it does of one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from model_checkpoints import SHAPES, save_checkpoint
from model_harness import random_prompts
from rank_engine import Made, Prompts, engine_config, generate
from rank_processes import RankProcesses

from rostra.mesh import grammar
from rostra.mesh.text import Tokenizer

VOCAB_SIZE = 211


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, SHAPES["wide heads"])
    return folder


def asked(lengths: list[int], **sampling: Any) -> Prompts:
    prompts = random_prompts(lengths, VOCAB_SIZE, seed=1)
    return {name: (tokens, sampling) for name, tokens in prompts.items()}


def on_one_and_two(
    ranks: RankProcesses, model: Path, prompts: Prompts, *options: Any, **settings: Any
) -> tuple[Made, Made]:
    config = engine_config(model, **settings)
    alone, *_ = ranks.run(1, generate, config, prompts, *options)
    made, *_ = ranks.run(2, generate, config, prompts, *options)
    assert made.token_ids == alone.token_ids
    assert made.load == alone.load
    return alone, made


def test_sampling_with_a_seed(model: Path, ranks: RankProcesses):
    settings = [
        {"seed": 1, "temperature": 1.0},
        {"seed": 2, "temperature": 0.7, "top_k": 20, "top_p": 0.9, "min_p": 0.05},
        {"seed": 3, "temperature": 1.2, "repetition_penalty": 1.3, "frequency_penalty": 0.5},
        {"seed": 4, "temperature": 1.0, "logit_bias": {7: 5.0}},
        {"temperature": 0.0},
    ]
    prompts = asked([5, 12, 31, 7, 9])
    mixed = {
        name: (tokens, chosen)
        for (name, (tokens, _)), chosen in zip(prompts.items(), settings, strict=True)
    }
    alone, _ = on_one_and_two(ranks, model, mixed)
    assert len({tuple(tokens) for tokens in alone.token_ids.values()}) == 5


def test_drafts(model: Path, ranks: RankProcesses):
    # A small vocabulary in the prompt makes the guesses come, a bias makes some of them right.
    prompts = {
        "repetitive": ([3, 4, 5, 6] * 6, {"logit_bias": {3: 9.0, 4: 9.0}, "max_tokens": 40}),
        "other": ([9, 8, 7] * 5, {"seed": 5, "temperature": 0.8, "logit_bias": {9: 9.0, 8: 8.0}}),
    }
    alone, _ = on_one_and_two(ranks, model, prompts, speculation="ngram")
    assert 0 < alone.load.accepted_draft_tokens < alone.load.draft_tokens


def test_grammars(tiny_model: Path, ranks: RankProcesses):
    number = grammar.regex("[0-9]{1,3}(, [0-9]{1,3}){3}")
    prompts = {
        "bound": ([5, 6, 7], {"grammar": number, "max_tokens": 40, "temperature": 1.0, "seed": 1}),
        "free": ([8, 9, 10, 11], {"temperature": 1.0, "seed": 2}),
        "greedy": ([12], {"grammar": grammar.choices(["left", "right"]), "max_tokens": 40}),
    }
    alone, _ = on_one_and_two(ranks, tiny_model, prompts)
    texts = {
        name: Tokenizer.load(tiny_model).decode(ids, skip_special_tokens=True)
        for name, ids in alone.token_ids.items()
    }
    assert re.fullmatch("[0-9]{1,3}(, [0-9]{1,3}){3}", texts["bound"])
    assert texts["greedy"] in ("left", "right")


def test_logprobs_of_answers_and_prompts(model: Path, ranks: RankProcesses):
    prompts = asked([300, 4, 20], logprobs=4, prompt_logprobs=3)
    alone, made = on_one_and_two(ranks, model, prompts, max_num_batched_tokens=128)
    for name, outputs in alone.outputs.items():
        for ours, theirs in zip(made.outputs[name], outputs, strict=True):
            expected = [token.logprobs for token in theirs.tokens]
            found = [token.logprobs for token in ours.tokens]
            if theirs.prompt_logprobs is not None:
                assert theirs.prompt_logprobs[0] is ours.prompt_logprobs[0] is None
                expected += theirs.prompt_logprobs[1:]
                found += ours.prompt_logprobs[1:]
            for one, other in zip(found, expected, strict=True):
                assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
                assert [i for i, _ in one.candidates] == [i for i, _ in other.candidates]
                assert [p for _, p in one.candidates] == pytest.approx(
                    [p for _, p in other.candidates], abs=1e-4
                )
        assert sum(output.prompt_logprobs is not None for output in outputs) == 1


def test_chunked_prefill(model: Path, ranks: RankProcesses):
    on_one_and_two(ranks, model, asked([100, 3, 60]), max_num_batched_tokens=16)


def test_preemption(model: Path, ranks: RankProcesses):
    prompts = asked([20, 25, 30], max_tokens=40)
    alone, _ = on_one_and_two(
        ranks, model, prompts, num_blocks=8, max_model_len=96, prefix_caching=False
    )
    assert alone.load.preemptions > 0


@pytest.mark.parametrize("speculation", ["off", "ngram"])
def test_steps_in_flight_and_a_row_without_a_choice(
    model: Path, ranks: RankProcesses, speculation: str
):
    # The second request can choose no token when the next step with it is launched already.
    prompts = asked([30, 4, 12, 9], max_tokens=20)
    first, second, third, fourth = prompts
    prompts = {
        first: prompts[first],
        second: (
            prompts[second][0],
            {"min_tokens": 9, "stop_token_ids": frozenset(range(VOCAB_SIZE))},
        ),
        third: prompts[third],
        fourth: ([5, 6, 7] * 5, {"max_tokens": 20}),
    }
    config = engine_config(model, speculation=speculation)
    alone, *_ = ranks.run(1, generate, config, prompts)
    made, *_ = ranks.run(2, generate_overlapped, config, prompts)
    assert made.token_ids == alone.token_ids
    assert [output.error for output in made.outputs[second]] == [
        "no token is left to choose: min_tokens excludes every token of the vocabulary"
    ]


def generate_overlapped(*arguments: Any) -> Made:
    return generate(*arguments, overlapping=True)
