"""Gemma 3 270M's real weights against transformers, for those who agree to its terms."""

from __future__ import annotations

import pytest
import torch
from model_harness import Harness, check_against
from transformers import Gemma3ForCausalLM

from rostra.mesh.home import Home
from rostra.mesh.store import GEMMA_MODEL, ModelStore
from rostra.mesh.text import Tokenizer

NUM_TOKENS = 16
TOLERANCE = 8e-4
"""These logits reach 40. transformers' own, in float32, are 1.4e-4 away from those in float64, and
ours 2.8e-4."""
TEXTS = [
    "The capital of France is",
    # Longer than the window of 512 tokens.
    "The rostra were the platform from which speakers addressed the Roman people. " * 40,
]


@pytest.fixture(scope="module")
def gemma_model(pytestconfig):
    if "gemma" not in pytestconfig.getoption("--accept-license"):
        pytest.skip("240 MB under the Gemma Terms of Use: `--accept-license gemma` fetches them")
    return ModelStore(Home.locate()).pull(GEMMA_MODEL, accepted_licenses=["gemma"]).path


def test_continuations_equal_transformers(gemma_model):
    tokenizer = Tokenizer.load(gemma_model)
    prompts = {text: list(tokenizer.encode(text)) for text in TEXTS}
    assert prompts[TEXTS[0]] == [2, 818, 5279, 529, 7001, 563]  # those of the original tokenizer
    assert len(prompts[TEXTS[1]]) > 512
    harness = Harness(gemma_model, max_num_batched_tokens=200, max_model_len=1024)
    made = harness.generate(prompts, NUM_TOKENS)
    reference = Gemma3ForCausalLM.from_pretrained(gemma_model, dtype=torch.float32).eval()
    check_against(harness, reference, prompts, tolerance=TOLERANCE)
    assert "people" in tokenizer.decode(made[TEXTS[1]])
