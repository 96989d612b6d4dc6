"""The GPU's path end to end, on CPU tensors in Triton's interpreter: the runner's layouts, the
operations' arguments and the kernels fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gemma_checkpoints import save_gemma
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from model_harness import Harness, random_prompts
from stored_checkpoints import write_pair

from rostra.kernels import reference
from rostra.kernels.chip import AHEAD_OF_TIME, Chip
from rostra.kernels.quantize import quantize_weight
from rostra.mesh.errors import RostraError
from rostra.mesh.models.stored import open_weights
from rostra.mesh.ops.triton import TritonOps

SCRIPT = Path(__file__).with_name("triton_wiring.py")
# Chunks and decoding beside prefilling, within a few steps.
SETTINGS = {"max_num_batched_tokens": 12, "max_model_len": 64}


PROMPTS = random_prompts([1, 5, 20], VOCAB_SIZE)


def check_against_float_path(folder, float_folder, quantization, prompts=PROMPTS):
    """The model of `folder` in the interpreter is the one of `float_folder` in PyTorch."""
    harness = Harness(float_folder, **SETTINGS)
    made = harness.generate(prompts, max_tokens=3)
    arguments = [str(folder), json.dumps(prompts), json.dumps(SETTINGS), quantization]
    child = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
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


def test_triton_path_equals_cpu_path(tmp_path):
    save_checkpoint(tmp_path, SHAPES["grouped, tied"] | {"num_hidden_layers": 2})
    check_against_float_path(tmp_path, tmp_path, "none")


@pytest.mark.parametrize("name", ["gemma2, low caps", "gemma3, scaled, capped"])
def test_windows_caps_norms_of_heads_and_two_tables(tmp_path, name):
    save_gemma(tmp_path, name, sliding_window=7)
    prompts = random_prompts([1, 20], VOCAB_SIZE)
    check_against_float_path(tmp_path, tmp_path, "none", prompts)


@pytest.mark.parametrize(
    ("quantization", "dtype"), [("int8", torch.int8), ("fp8", torch.float8_e4m3fn)]
)
def test_quantised_path_equals_that_of_rounded_weights(tmp_path, quantization, dtype):
    shape = SHAPES["multi-query, biased"] | {"num_hidden_layers": 1}
    model = save_checkpoint(tmp_path / "exact", shape)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                rounded = reference.dequantize(
                    *quantize_weight(module.weight, dtype), torch.float32
                )
                assert not torch.equal(module.weight, rounded)
                module.weight.copy_(rounded)
    model.save_pretrained(tmp_path / "rounded")
    prompts = random_prompts([1, 5], VOCAB_SIZE)
    check_against_float_path(tmp_path / "exact", tmp_path / "rounded", quantization, prompts)


@pytest.mark.parametrize("kind", ["int8", "fp8 tensor"])
def test_stored_codes_are_multiplied_as_they_are(tmp_path, kind):
    quantised, plain = write_pair(tmp_path, kind)
    check_against_float_path(quantised, plain, "none", random_prompts([1, 5], VOCAB_SIZE))


@pytest.mark.parametrize(
    ("kind", "kept_by"),
    [
        ("int8", ["sm_80", "sm_90", "gfx942"]),
        ("gptq 8 bits", []),
        ("fp8 channel", ["sm_90", "gfx942"]),
        ("fp8 tensor", ["sm_90", "gfx942"]),
        ("fp8 block", []),
        ("awq", []),
    ],
)
def test_which_stored_weights_a_gpu_keeps(tmp_path, monkeypatch, kind, kept_by):
    folder, _ = write_pair(tmp_path, kind)
    with open_weights(folder) as weights:
        coded = weights.read_coded("model.layers.0.mlp.up_proj.weight", slice(None))
    found = []
    for chip in ("sm_80", "sm_90", "gfx942"):
        monkeypatch.setattr(Chip, "of", lambda device, chip=chip: AHEAD_OF_TIME[chip])
        if TritonOps(torch.device("cuda")).keeps(coded):
            found.append(chip)
    assert found == kept_by


@pytest.mark.parametrize(
    ("chip", "quantization", "works"),
    [
        ("sm_80", "fp8", "none or int8"),
        ("sm_90", "int4", "none or int8 or fp8"),
        ("gfx942", "int4", "none or int8 or fp8"),
    ],
)
def test_what_the_device_lacks_is_refused(monkeypatch, chip, quantization, works):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME[chip])
    message = f"--quantization {quantization} is not supported .* {chip}; use {works}$"
    with pytest.raises(RostraError, match=message):
        TritonOps(torch.device("cuda"), quantization)
