"""The GPU's path with adapters, on CPU tensors in Triton's interpreter: the tiles of a step, the
kernels and recorded steps fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from adapter_harness import random_prompt, reference_logits
from peft_adapters import ALL, AdapterCase, save_base

SCRIPT = Path(__file__).with_name("triton_adapters.py")


def test_mixed_batches_through_the_kernels(tmp_path):
    base = save_base(tmp_path / "base", num_hidden_layers=1)
    models = {
        "none": base,
        "first": AdapterCase(1, ALL).save(tmp_path / "first", base),
        "second": AdapterCase(16, ["q_proj", "v_proj", "down_proj"], seed=1).save(
            tmp_path / "second", base
        ),
    }
    prompts = {
        f"{name} {length}": random_prompt(length, seed=length)
        for name, length in (("first", 18), ("none", 3), ("second", 5), ("first", 1))
    }
    folders = [str(tmp_path / name) for name in ("base", "first", "second")]
    child = subprocess.run(
        [sys.executable, str(SCRIPT), *folders, json.dumps(prompts)],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    assert found["replays"] >= 2
    for name, prompt in prompts.items():
        tokens = found["tokens"][name]
        assert len(tokens) == 3
        expected = reference_logits(models[name.partition(" ")[0]], prompt, tokens)
        assert (torch.tensor(found["logits"][name]) - expected).abs().max() < 1e-3
        assert tokens == expected.argmax(-1).tolist()
