"""The GPU's path end to end, on CPU tensors in Triton's interpreter: the runner's layouts, the
operations' arguments and the kernels fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from model_harness import Harness, random_prompts

pytest.importorskip("triton")

SCRIPT = Path(__file__).with_name("triton_wiring.py")
# Chunks and decoding beside prefilling, within a few steps.
SETTINGS = {"max_num_batched_tokens": 12, "max_model_len": 64}


def test_triton_path_equals_cpu_path(tmp_path):
    save_checkpoint(tmp_path, SHAPES["grouped, tied"] | {"num_hidden_layers": 2})
    prompts = random_prompts([1, 5, 20], VOCAB_SIZE)
    harness = Harness(tmp_path, **SETTINGS)
    made = harness.generate(prompts, max_tokens=3)
    child = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), json.dumps(prompts), json.dumps(SETTINGS)],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    assert found["tokens"] == made
    for (name, known), logits in harness.sampler.logits.items():
        assert found["logits"][f"{name} {known}"] == pytest.approx(logits.tolist(), abs=1e-4)
