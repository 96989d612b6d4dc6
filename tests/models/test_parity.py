"""Logits and greedy continuations against transformers on the same weights."""

from __future__ import annotations

import importlib

import pytest
import torch
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from model_harness import Harness, check_against, expected_tokens, random_prompts

from rostra.mesh.ops.torch_cpu import TorchCpuOps

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grouped")
    return folder, save_checkpoint(folder, SHAPES["grouped, tied"])


def generate_and_check(model, harness, prompts, max_tokens):
    harness.generate(prompts, max_tokens)
    check_against(harness, model, prompts)


@pytest.mark.parametrize("shape", SHAPES)
def test_ragged_batch_equals_transformers(tmp_path, shape):
    model = save_checkpoint(tmp_path, SHAPES[shape])
    harness = Harness(tmp_path, max_num_batched_tokens=48)
    prompts = random_prompts([1, 2, 16, 17, 70, 133], VOCAB_SIZE)
    generate_and_check(model, harness, prompts, 64)
    for name, prompt in prompts.items():
        assert harness.token_ids(name) == expected_tokens(model, prompt, 64), name


def test_sharded_checkpoint_equals_transformers(tmp_path):
    model = save_checkpoint(tmp_path, SHAPES["multi-query, biased"], max_shard_size="100KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    generate_and_check(model, Harness(tmp_path), random_prompts([9, 31], VOCAB_SIZE), 16)


@pytest.mark.parametrize("chunk", [1, 2, 15, 16, 64, 257])
def test_any_chunk_size_gives_the_same(grouped, chunk):
    folder, model = grouped
    harness = Harness(folder, max_num_batched_tokens=chunk)
    generate_and_check(model, harness, random_prompts([1, 40, 65], VOCAB_SIZE, seed=chunk), 20)


@pytest.mark.parametrize("block_size", [8, 32])
def test_any_block_size_gives_the_same(grouped, block_size):
    folder, model = grouped
    harness = Harness(folder, block_size=block_size)
    generate_and_check(model, harness, random_prompts([7, 8, 9, 100], VOCAB_SIZE), 20)


def test_long_prompts_beside_short_ones(grouped):
    folder, model = grouped
    harness = Harness(folder, max_model_len=2048, max_num_batched_tokens=600)
    prompts = random_prompts([1500, 1, 900, 257, 256, 12], VOCAB_SIZE)
    generate_and_check(model, harness, prompts, 64)


def test_without_a_compiler(grouped, monkeypatch):
    """PyTorch's own operations in the place of the compiled kernels."""
    folder, model = grouped
    module = importlib.import_module("rostra.mesh.ops.native.library")
    monkeypatch.setenv(module.SWITCH, "0")
    module._library.cache_clear()
    try:
        harness = Harness(folder, max_num_batched_tokens=48)
        assert isinstance(harness.runner._model.ops, TorchCpuOps)
        prompts = random_prompts([1, 2, 16, 17, 70, 133], VOCAB_SIZE)
        generate_and_check(model, harness, prompts, 32)
    finally:
        module._library.cache_clear()


def test_prefix_hits_give_the_same(grouped):
    folder, model = grouped
    harness = Harness(folder)
    first = random_prompts([150], VOCAB_SIZE)
    generate_and_check(model, harness, first, 20)
    (prompt,) = first.values()
    tails = random_prompts([1, 20, 40], VOCAB_SIZE, seed=7)
    longer = {f"{name} after the prefix": prompt + tail for name, tail in tails.items()}
    again = {"the same again": prompt, "a part of it": prompt[:97], **longer}
    generate_and_check(model, harness, again, 20)
    hits = {name: harness.outputs[name][0].num_cached_tokens for name in again}
    assert hits["the same again"] == 144
    assert hits["a part of it"] == 96
    assert all(hits[name] == 144 for name in longer)


def test_preempted_requests_give_the_same(grouped):
    folder, model = grouped
    harness = Harness(folder, num_blocks=12, max_model_len=160, max_num_batched_tokens=64)
    prompts = random_prompts([60, 45, 30, 50], VOCAB_SIZE)
    generate_and_check(model, harness, prompts, 64)
    assert harness.engine.load().preemptions > 0


def test_rows_of_the_table_are_used_again(grouped):
    """More requests in all than may run at once, of lengths that leave old tokens behind."""
    folder, model = grouped
    harness = Harness(folder, max_num_seqs=2, prefix_caching=False)
    generate_and_check(model, harness, random_prompts([90, 3, 50, 7, 1], VOCAB_SIZE), 10)


@pytest.mark.parametrize("chunk", [13, 512])
def test_prompt_logprobs_equal_transformers(grouped, chunk):
    folder, model = grouped
    harness = Harness(folder, max_num_batched_tokens=chunk)
    prompts = random_prompts([50, 1, 300], VOCAB_SIZE)
    harness.generate(prompts, 2, prompt_logprobs=3, logprobs=2)
    for name, prompt in prompts.items():
        with torch.inference_mode():
            reference = model(torch.tensor([prompt])).logits[0].log_softmax(-1)
        first, *rest = harness.outputs[name][0].prompt_logprobs
        assert first is None
        assert len(rest) == len(prompt) - 1
        for position, entry in enumerate(rest):
            row = reference[position]
            assert entry.logprob == pytest.approx(row[prompt[position + 1]].item(), abs=1e-4)
            best = row.topk(3)
            assert [token for token, _ in entry.candidates] == best.indices.tolist()
            assert [value for _, value in entry.candidates] == pytest.approx(
                best.values.tolist(), abs=1e-4
            )


def test_random_histories_give_what_each_prompt_gives_alone(grouped):
    """Lengths, chunk sizes and cache sizes drawn at random."""
    folder, model = grouped
    generator = torch.Generator().manual_seed(3)

    def draw(low, high):
        return int(torch.randint(low, high, (), generator=generator))

    for history in range(6):
        lengths = [draw(1, 120) for _ in range(draw(2, 9))]
        harness = Harness(
            folder,
            max_num_batched_tokens=draw(1, 100),
            max_num_seqs=draw(1, 8),
            num_blocks=draw(10, 40),
            max_model_len=160,
        )
        generate_and_check(model, harness, random_prompts(lengths, VOCAB_SIZE, seed=history), 12)
