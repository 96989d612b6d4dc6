"""What lower precision costs: the arithmetic, and a small real run."""

from __future__ import annotations

import json
import math

import pytest
import torch

from benchmarks import accuracy, texts
from benchmarks.accuracy import Answers, compare


def answers(logits, tokens, logprobs=()):
    return Answers(torch.tensor(logits), tokens, list(logprobs))


def test_the_figures_by_hand():
    half = [-math.log(2.0)]
    reference = answers([[1.0, -1.0], [0.0, 0.0]], [[5, 6, 7, 8], [1, 1, 1, 1]], half)
    other = answers([[3.0, -3.0], [0.0, 0.0]], [[5, 6, 0, 8], [2, 1, 1, 1]], 2 * half)
    row = compare(reference, other)
    assert row["logit_error"] == pytest.approx(2.0)  # differences 2 where logits are 1
    assert row["largest_error"] == 2.0
    p, q = (1 / (1 + math.exp(-gap)) for gap in (2.0, 6.0))
    kl = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert row["mean_kl"] == pytest.approx(kl / 2)
    assert row["same_first"] == 0.5
    assert row["same_tokens"] == pytest.approx((2 / 4 + 0) / 2)
    assert row["perplexity"] == pytest.approx(2.0)
    assert row["perplexity_ratio"] == pytest.approx(1.0)


def test_what_no_probability_depends_on_is_no_error():
    reference = answers([[1.0, 2.0, 4.0]], [[1]])
    row = compare(reference, answers([[11.0, 12.0, 14.0]], [[1]]))
    assert row["logit_error"] == pytest.approx(0.0, abs=1e-6)
    assert "perplexity" not in row


def test_passages_are_many_different_and_always_the_same():
    found = texts.passages()
    assert len(found) == len(set(found)) >= 600
    assert min(len(text.split()) for text in found) >= 30
    assert found == texts.passages()


def test_a_small_run_names_the_formats_that_a_device_lacks(tmp_path):
    out = tmp_path / "r.json"
    accuracy.main(
        "--random tiny --prompts 4 --prompt-tokens 12 --output-tokens 3 --num-threads 1 "
        f"--format bfloat16 --format fp8 --json {out}".split()
    )
    exact, half, eighth = json.loads(out.read_text())["rows"]
    assert exact["logit_error"] == 0
    assert 0 < half["logit_error"] < 0.1
    assert "fp8" in eighth["not measured"]
