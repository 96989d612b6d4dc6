"""`rostra worker` with a model that cannot be served: exit code 2, the reason, and nothing left."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models
from transformers import LlamaConfig, LlamaForCausalLM

DOWN = "model.layers.1.mlp.down_proj.weight"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=8,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
        )
    ).save_pretrained(made)
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(made / "tokenizer.json"))
    return made


def worker(folder, tmp_path):
    return subprocess.run(
        [
            *(sys.executable, "-m", "rostra.mesh.cli.main", "worker", "--model", str(folder)),
            *("--home", str(tmp_path / "home"), "--listen", "127.0.0.1:0", "--device", "cpu"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_files_that_are_damaged_are_found_before_anything_starts(folder, tmp_path):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    ended = worker(folder, tmp_path)
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {file} is damaged or truncated: it ends before tensor ")


def test_values_that_are_not_finite_end_the_worker_before_it_serves(folder, tmp_path):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors[DOWN][3, 5] = torch.nan
    save_file(tensors, file)
    ended = worker(folder, tmp_path)
    assert ended.returncode == 2
    assert "ready" not in ended.stdout
    errors = [line for line in ended.stderr.splitlines() if "error" in line.lower()]
    assert errors == [f"error: {file}: tensor {DOWN} has NaN or infinite values"]
    assert "Traceback" not in ended.stderr
