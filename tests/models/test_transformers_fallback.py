"""Models computed by transformers' own code over the paged cache, against transformers alone."""

from __future__ import annotations

import importlib
import logging
import weakref

import pytest
import torch
from library_checkpoints import SERVED, VOCAB_SIZE, save_library_checkpoint
from model_harness import Harness, check_against, expected_tokens, random_prompts
from stored_checkpoints import write_pair
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from rostra.mesh.models import load_model
from rostra.mesh.models.transformers_model import TransformersModel
from rostra.mesh.models.transformers_weights import PackedLinear
from rostra.mesh.ops import make_ops
from rostra.mesh.ops.torch_cpu import TorchCpuOps

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def windowed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windowed")
    return folder, save_library_checkpoint(folder, "Cohere2")


@pytest.fixture(scope="module")
def stored_transposed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored-transposed")
    return folder, save_library_checkpoint(folder, "GPT2")


def generate_and_check(model, harness, prompts, max_tokens):
    harness.generate(prompts, max_tokens)
    check_against(harness, model, prompts)


@pytest.mark.parametrize("name", SERVED)
def test_ragged_batch_equals_transformers(tmp_path, name):
    """Whole and chunked prefill, decode, and both in one step."""
    model = save_library_checkpoint(tmp_path, name)
    harness = Harness(tmp_path, max_num_batched_tokens=48)
    assert isinstance(harness.runner._model, TransformersModel)
    prompts = random_prompts([1, 2, 16, 17, 70, 133], VOCAB_SIZE)
    generate_and_check(model, harness, prompts, 24)
    prompt = next(reversed(prompts))
    assert harness.token_ids(prompt) == expected_tokens(model, prompts[prompt], 24)


@pytest.mark.parametrize("chunk", [1, 15, 64])
def test_any_chunk_size_gives_the_same(windowed, chunk):
    folder, model = windowed
    harness = Harness(folder, max_num_batched_tokens=chunk)
    generate_and_check(model, harness, random_prompts([1, 40, 65], VOCAB_SIZE, seed=chunk), 12)


def test_prefix_hits_give_the_same(windowed):
    folder, model = windowed
    harness = Harness(folder)
    first = random_prompts([150], VOCAB_SIZE)
    generate_and_check(model, harness, first, 10)
    (prompt,) = first.values()
    again = {"the same": prompt, "a part": prompt[:97], "more": prompt + [5] * 20}
    generate_and_check(model, harness, again, 10)
    hits = {name: harness.outputs[name][0].num_cached_tokens for name in again}
    assert hits == {"the same": 144, "a part": 96, "more": 144}


def test_preempted_requests_give_the_same(stored_transposed):
    folder, model = stored_transposed
    harness = Harness(folder, num_blocks=12, max_model_len=160, max_num_batched_tokens=64)
    generate_and_check(model, harness, random_prompts([60, 45, 30, 50], VOCAB_SIZE), 64)
    assert harness.engine.load().preemptions > 0


def test_drafts_give_the_same(stored_transposed):
    folder, model = stored_transposed
    harness = Harness(folder, speculation="ngram")
    repetitive = {"repetitive": [7, 8, 9, 10] * 12, "other": [3, 4, 5]}
    made = harness.generate(repetitive, 40)
    for name, prompt in repetitive.items():
        assert made[name] == expected_tokens(model, prompt, 40)


def test_without_a_compiler(windowed, monkeypatch):
    folder, model = windowed
    module = importlib.import_module("rostra.mesh.ops.native.library")
    monkeypatch.setenv(module.SWITCH, "0")
    module._library.cache_clear()
    try:
        harness = Harness(folder, max_num_batched_tokens=48)
        assert isinstance(harness.runner._model.ops, TorchCpuOps)
        generate_and_check(model, harness, random_prompts([1, 17, 70], VOCAB_SIZE), 12)
    finally:
        module._library.cache_clear()


def test_sixteen_bits_stay_near(windowed):
    folder, model = windowed
    harness = Harness(folder, dtype="bfloat16")
    prompts = random_prompts([30], VOCAB_SIZE)
    harness.generate(prompts, 1)
    ((name, prompt),) = prompts.items()
    with torch.inference_mode():
        expected = model(torch.tensor([prompt])).logits[0, -1]
    found = harness.sampler.logits[name, len(prompt)]
    assert (found - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("checkpoint", ["windowed", "stored_transposed"])
@pytest.mark.parametrize(("quantization", "tolerance"), [("int8", 0.02), ("int4", 0.4)])
def test_linear_maps_are_quantised(checkpoint, quantization, tolerance, request):
    folder, model = request.getfixturevalue(checkpoint)
    harness = Harness(folder, quantization=quantization)
    parts = list(harness.runner._model._decoder.modules())
    assert sum(isinstance(part, PackedLinear) for part in parts) >= 16
    assert not any(isinstance(part, nn.Linear) for part in parts)
    prompts = random_prompts([30], VOCAB_SIZE)
    harness.generate(prompts, 1)
    ((name, prompt),) = prompts.items()
    with torch.inference_mode():
        expected = model(torch.tensor([prompt])).logits[0, -1]
    difference = (harness.sampler.logits[name, len(prompt)] - expected).norm() / expected.norm()
    assert 1e-5 < difference < tolerance


@pytest.mark.parametrize("kind", ["awq", "fp8 channel"])
def test_stored_codes_are_dequantised(tmp_path, kind, caplog):
    quantised, plain = write_pair(
        tmp_path, kind, lambda folder: save_library_checkpoint(folder, "StableLm")
    )
    prompts = random_prompts([5, 40], VOCAB_SIZE)
    with caplog.at_level(logging.INFO, "rostra.mesh.models"):
        made, expected = Harness(quantised), Harness(plain)
    assert "28 dequantised to float32" in caplog.text
    assert made.generate(prompts, 8) == expected.generate(prompts, 8)
    for key, logits in expected.sampler.logits.items():
        assert (made.sampler.logits[key] - logits).abs().max() < 1e-5


class Counting:
    """Operations that note how many loaded linear maps wait when one of them is laid out."""

    def __init__(self):
        self._ops = make_ops(CPU, torch.float32)
        self._maps = []
        self.waiting = []

    def __getattr__(self, name):
        return getattr(self._ops, name)

    def notice(self, _parent, _name, module):
        if type(module) is nn.Linear:
            self._maps.append(weakref.ref(module))

    def linear(self, weight, bias, *, sensitive=False):
        maps = [there for one in self._maps if (there := one()) is not None]
        self.waiting.append(sum(not there.weight.is_meta for there in maps))
        return self._ops.linear(weight, bias, sensitive=sensitive)


def test_weights_are_laid_out_one_by_one_and_progress_is_told(tmp_path):
    save_library_checkpoint(tmp_path, "StableLm", tie_word_embeddings=False)
    ops, told = Counting(), []
    hook = register_module_module_registration_hook(ops.notice)
    try:
        load_model(tmp_path, CPU, torch.float32, lambda *read: told.append(read), ops=ops)
    finally:
        hook.remove()
    assert ops.waiting == [1] * (4 * 7 + 1)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1] > 0


def test_the_log_says_whose_code_it_is(windowed, caplog):
    folder, _ = windowed
    with caplog.at_level(logging.INFO, "rostra.mesh.models"):
        load_model(folder, CPU, torch.float32)
    (line,) = (r.getMessage() for r in caplog.records if "transformers" in r.getMessage())
    assert "Cohere2ForCausalLM is computed by the code of transformers" in line


def test_limits_are_the_models_own(windowed):
    folder, _ = windowed
    model = load_model(folder, CPU, torch.float32)
    assert model.config.max_position_embeddings == 512
    assert (model.config.num_hidden_layers, model.num_kv_heads, model.config.head_dim) == (4, 2, 16)
    assert [plan.sliding_window for plan in model._plans.values()] == [24, 24, 24, None]
