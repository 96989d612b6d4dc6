"""Gemma 2 and Gemma 3 against transformers on the same weights."""

from __future__ import annotations

import pytest
import torch
from gemma_checkpoints import LINEAR, SHAPES, VOCAB_SIZE, change_config, save_gemma
from model_harness import Harness, check_against, expected_tokens, random_prompts
from thread_ranks import parallel_logits

from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model
from rostra.mesh.ops.torch_cpu import TorchCpuOps

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
# Shorter than the window of 24, as long, longer, and of several chunks beyond it.
PROMPTS = random_prompts([1, 20, 24, 25, 70, 140], VOCAB_SIZE)


@pytest.mark.parametrize("name", SHAPES)
def test_ragged_batch_equals_transformers(tmp_path, name):
    """Prefill, chunked and not, and decoding, in steps of mixed batches, beyond the window."""
    model = save_gemma(tmp_path, name)
    for settings in ({"max_num_batched_tokens": 512}, {"max_num_batched_tokens": 33}):
        harness = Harness(tmp_path, **settings)
        harness.generate(PROMPTS, 12)
        check_against(harness, model, PROMPTS)
    long = PROMPTS["4: 70 tokens"]
    assert harness.token_ids("4: 70 tokens") == expected_tokens(model, long, 12)


@pytest.mark.parametrize("name", ["gemma2", "gemma3, scaled, capped"])
def test_pytorchs_operations_compute_the_same(tmp_path, name):
    model = save_gemma(tmp_path, name)
    harness = Harness(tmp_path, ops=TorchCpuOps(torch.float32), max_num_batched_tokens=48)
    harness.generate(PROMPTS, 6)
    check_against(harness, model, PROMPTS)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("name", SHAPES)
def test_ranks_equal_transformers(tmp_path, name, size):
    """Four ranks have one head each, and share key-value heads where there are fewer."""
    model = save_gemma(tmp_path, name)
    tokens = PROMPTS["4: 70 tokens"]
    with torch.inference_mode():
        reference = model(torch.tensor([tokens])).logits[0]
    made = parallel_logits(tmp_path, size, tokens, [33, 30, *[1] * 7], max_model_len=512)
    assert (made - reference).abs().max().item() < 1e-4


def test_a_prefix_beyond_the_window_is_taken_from_the_cache(tmp_path):
    model = save_gemma(tmp_path, "gemma3")
    prefix = PROMPTS["5: 140 tokens"]
    prompts = {"first": prefix, "second": prefix[:112] + PROMPTS["1: 20 tokens"]}
    harness = Harness(tmp_path)
    for name, prompt in prompts.items():
        harness.generate({name: prompt}, 6)
    assert harness.outputs["second"][0].num_cached_tokens >= 96
    check_against(harness, model, prompts)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["gemma2", "gemma3"])
def test_narrow_types_stay_close(tmp_path, name, dtype):
    """As close to float32 as transformers in the same type."""
    model = save_gemma(tmp_path, name)
    prompt = PROMPTS["4: 70 tokens"]
    harness = Harness(tmp_path, dtype=dtype)
    harness.generate({"narrow": prompt}, 1)
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        exact = model(ids).logits[0, -1]
        theirs = model.to(getattr(torch, dtype))(ids).logits[0, -1].float()
    found = harness.sampler.logits["narrow", len(prompt)]
    assert (found - exact).norm() < 1.5 * (theirs - exact).norm()


def test_configs_of_before_rope_parameters_mean_the_same(tmp_path):
    """`rope_theta`, `rope_scaling` and `rope_local_base_freq`, and a pattern for the layers."""
    model = save_gemma(tmp_path, "gemma3, scaled, capped")
    change_config(
        tmp_path,
        *("rope_parameters", "tie_word_embeddings"),
        rope_theta=LINEAR["rope_theta"],
        rope_local_base_freq=300.0,
        rope_scaling={"factor": 4.0, "rope_type": "linear"},
    )
    harness = Harness(tmp_path)
    harness.generate(PROMPTS, 2)
    check_against(harness, model, PROMPTS)


@pytest.mark.parametrize(("name", "pattern"), [("gemma2", {}), ("gemma3", {}), ("gemma3", 3)])
def test_a_pattern_stands_for_listed_layers(tmp_path, name, pattern):
    model = save_gemma(tmp_path, name)
    given = {"sliding_window_pattern": pattern} if pattern else {}
    change_config(tmp_path, "layer_types", **given)
    if pattern:
        config = type(model.config)(**{**model.config.to_dict(), "layer_types": None, **given})
        model = type(model).from_pretrained(tmp_path, config=config, attn_implementation="eager")
    harness = Harness(tmp_path)
    harness.generate(PROMPTS, 2)
    check_against(harness, model, PROMPTS)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gemma2", {"hidden_activation": "gelu"}, "hidden_activation: 'gelu' is not supported"),
        ("gemma2", {"use_bidirectional_attention": True}, "use_bidirectional_attention: True"),
        ("gemma2", {"final_logit_softcapping": 0.0}, "final_logit_softcapping: expected a pos"),
        ("gemma2", {"layer_types": ["chunked_attention"] * 4}, "'chunked_attention' is not"),
        ("gemma2", {"sliding_window": None}, "sliding_window: is missing"),
        ("gemma3", {"attn_logit_softcapping": 20.0}, r"attn_logit_softcapping: 20\.0 is not"),
    ],
)
def test_what_is_not_computed_is_refused(tmp_path, name, change, message):
    save_gemma(tmp_path, name)
    change_config(tmp_path, **change)
    with pytest.raises(RostraError, match=message) as caught:
        load_model(tmp_path, CPU, torch.float32)
    assert "\n" not in str(caught.value)
