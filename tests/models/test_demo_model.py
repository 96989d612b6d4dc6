"""The demo model's real weights against transformers."""

from __future__ import annotations

import pytest
import torch
from model_harness import Harness, check_against, expected_tokens
from transformers import LlamaForCausalLM

from rostra.mesh.text import Tokenizer

QUESTIONS = [
    "What is the capital of France?",
    "Write a short poem about rivers and the towns that they run through.",
    "List three uses of a hammer. " * 12,
]
NUM_TOKENS = 64
TOLERANCE = 3e-4
"""These logits reach 38. transformers' own, in float32, are 0.7e-4 away from those in float64, and
ours 1.1e-4."""


@pytest.fixture(scope="module")
def reference(demo_model):
    return LlamaForCausalLM.from_pretrained(demo_model, dtype=torch.float32).eval()


def test_answers_equal_transformers(demo_model, reference):
    tokenizer = Tokenizer.load(demo_model)
    prompts = {
        question: list(tokenizer.encode_chat([{"role": "user", "content": question}]))
        for question in QUESTIONS
    }
    harness = Harness(demo_model, max_num_batched_tokens=100)
    made = harness.generate(prompts, NUM_TOKENS)
    check_against(harness, reference, prompts, tolerance=TOLERANCE)
    for question, prompt in prompts.items():
        assert made[question] == expected_tokens(reference, prompt, NUM_TOKENS)
    assert "Paris" in tokenizer.decode(made[QUESTIONS[0]])
