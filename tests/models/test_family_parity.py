"""The dense families against transformers on the same weights: whole, in chunks, step by step."""

from __future__ import annotations

import pytest
import torch
from family_checkpoints import FAMILIES, LLAMA_ROPES, MAX_MODEL_LEN, save_family
from model_checkpoints import VOCAB_SIZE
from model_harness import Harness, check_against, expected_tokens, random_prompts
from thread_ranks import parallel_logits
from transformers import LlamaConfig

from rostra.mesh.errors import RostraError

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPTS = random_prompts([1, 17, 40, 133], VOCAB_SIZE)
LONG_PROMPTS = random_prompts([33, 40, 133], VOCAB_SIZE)
"""Longer than the original lengths of the checkpoints: there transformers has the long factors."""


def prompts_of(name):
    return LONG_PROMPTS if "long factors" in name else PROMPTS


@pytest.mark.parametrize("name", FAMILIES)
def test_family_equals_transformers(tmp_path, name):
    model = save_family(tmp_path, *FAMILIES[name])
    prompts = prompts_of(name)
    for chunk in (48, 512):
        harness = Harness(tmp_path, max_num_batched_tokens=chunk, max_model_len=MAX_MODEL_LEN)
        harness.generate(prompts, 40)
        check_against(harness, model, prompts)
    for prompt_name, prompt in prompts.items():
        made = harness.token_ids(prompt_name)
        assert made == expected_tokens(model, prompt, 40), prompt_name


@pytest.mark.parametrize("name", LLAMA_ROPES)
def test_scaled_llama_equals_transformers(tmp_path, name):
    model = save_family(tmp_path, LlamaConfig, {"rope_parameters": LLAMA_ROPES[name]})
    prompts = prompts_of(name)
    harness = Harness(tmp_path, max_num_batched_tokens=48, max_model_len=MAX_MODEL_LEN)
    harness.generate(prompts, 40)
    check_against(harness, model, prompts)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("name", FAMILIES)
def test_ranks_equal_transformers(tmp_path, name, size):
    """Four ranks have one head each, and share key-value heads where there are fewer."""
    model = save_family(tmp_path, *FAMILIES[name])
    tokens = random_prompts([60], VOCAB_SIZE)["0: 60 tokens"]
    with torch.inference_mode():
        reference = model(torch.tensor([tokens])).logits[0]
    chunks = [33, 20, *[1] * 7]
    made = parallel_logits(tmp_path, size, tokens, chunks, max_model_len=MAX_MODEL_LEN)
    assert (made - reference).abs().max().item() < 1e-4


def test_dynamic_scaling_beyond_the_trained_length(tmp_path):
    """transformers stretches by the length of each forward, Rostra by --max-model-len."""
    values = {
        "rope_parameters": LLAMA_ROPES["dynamic"],
        "max_position_embeddings": MAX_MODEL_LEN,
    }
    model = save_family(tmp_path, LlamaConfig, values)
    length = 2 * MAX_MODEL_LEN
    harness = Harness(tmp_path, max_model_len=length, max_num_batched_tokens=100)
    prompts = random_prompts([length - 1], VOCAB_SIZE)
    made = harness.generate(prompts, 1)
    [(name, prompt)] = prompts.items()
    with torch.inference_mode():
        reference = model(torch.tensor([prompt + made[name]])).logits[0, length - 2]
    recorded = harness.sampler.logits[name, length - 1]
    assert (recorded - reference).abs().max().item() < 1e-4
    with pytest.raises(RostraError, match=f"limit of {length}"):
        Harness(tmp_path, max_model_len=length + 1)
