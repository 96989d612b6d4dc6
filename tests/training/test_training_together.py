"""Several processes of one run, over gloo: they train as one does with the same batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rostra.training import metrics
from rostra.training.errors import TrainingError
from rostra.training.run_folder import COMPLETE
from rostra.training.settings import SftSettings
from rostra.training.sft import train_sft

SHARE = Path(__file__).with_name("told_share.py")
"""`rostra`, which also tells what share of the weights each process held."""
SETTINGS = {"epochs": 2, "learning_rate": 1e-2, "lora_rank": 4, "threads": 1, "save_every": 4}
TOLERANCE = {"loss": 1e-4, "grad_norm": 1e-3, "learning_rate": 0}
"""Relative. The processes add up in another order, in float32, and 18 steps at a rate of 0.01 make
that larger."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def curve(folder, name):
    found = metrics.read(folder / "metrics.jsonl")
    return [(each["step"], each[name]) for each in found if name in each]


def torchrun(base, data, out, *more, **settings):
    """Two processes with batches of two."""
    config = out.with_suffix(".toml")
    table = {**SETTINGS, "batch_size": 2, **settings}
    config.write_text(
        "[train.sft]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items())
    )
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["train", "sft", data, "--model", base.path, "--out", out, "-c", config, *more]
    done = subprocess.run(
        [*run, SHARE, *map(str, words)],
        check=False,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    for said in ("rows to train on", "Wrote "):
        assert done.stdout.count(said) == 1, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def alone(tiny_base, tmp_path_factory):
    """(data, folder) of a run by one process with batches of four."""
    folder = tmp_path_factory.mktemp("together")
    data = folder / "foxes.jsonl"
    rows = [{"instruction": f"who is number {n}", "output": f"the fox {n}"} for n in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = SftSettings(
        model="tiny", data=(data,), out=folder / "one", batch_size=4, device="cpu", **SETTINGS
    )
    train_sft(settings, tiny_base, lambda _: None)
    return data, folder / "one"


def assert_same(found, expected):
    for name, tolerance in TOLERANCE.items():
        assert [step for step, _ in curve(found, name)] == list(range(1, 19))
        assert [value for _, value in curve(found, name)] == pytest.approx(
            [value for _, value in curve(expected, name)], rel=tolerance
        )
    # Of batches of another size the mean is weighted otherwise.
    assert [value for _, value in curve(found, "eval_loss")] == pytest.approx(
        [value for _, value in curve(expected, "eval_loss")], rel=1e-2
    )
    adapters = [path / "adapter" / "adapter_model.safetensors" for path in (found, expected)]
    assert_same_tensors(*adapters)


def assert_same_tensors(found, expected):
    import torch
    from safetensors.torch import load_file

    found, expected = load_file(found), load_file(expected)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-2, atol=2e-3)


def test_data_parallel(tiny_base, alone, tmp_path):
    data, one = alone
    told = torchrun(tiny_base, data, tmp_path / "two")
    assert told.count("held 100 % of the weights") == 2
    assert_same(tmp_path / "two", one)


def test_sharded_and_resumed(tiny_base, alone, tmp_path):
    """FSDP, which accelerate by itself turns on for cards alone."""
    data, one = alone
    two = tmp_path / "two"
    told = torchrun(tiny_base, data, two, fsdp=True)
    assert told.count("held 50 % of the weights") == 2
    assert_same(two, one)
    # As a kill leaves it in the midst of the last checkpoint.
    (two / "checkpoints" / "checkpoint-18" / COMPLETE).unlink()
    (two / "adapter" / "adapter_model.safetensors").unlink()
    told = torchrun(tiny_base, data, two, "--resume", fsdp=True)
    assert "Resuming from checkpoint-16" in told
    assert_same(two, one)


def test_one_process_has_nothing_to_shard_over(tiny_base, foxes, tmp_path):
    settings = SftSettings(model="tiny", data=(foxes,), out=tmp_path / "r", fsdp=True, device="cpu")
    with pytest.raises(TrainingError, match="start it with torchrun, or leave fsdp out"):
        train_sft(settings, tiny_base, lambda _: None)
