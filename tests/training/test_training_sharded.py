"""FSDP with every recipe and method that it goes with: as one process trains, and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rostra.training import metrics
from rostra.training.dpo import train_dpo
from rostra.training.settings import DpoSettings, SftSettings
from rostra.training.sft import train_sft

SCRIPT = Path(__file__).with_name("sharded_runs.py")
COMMON = {"model": "tiny", "device": "cpu", "threads": 1, "save_every": 4, "max_length": 128}
COMMON |= {"max_steps": 9, "lora_rank": 4, "eval_share": 0.0}
KINDS = {
    "preferred": ("dpo", {"learning_rate": 1e-2}),
    "preferred-whole": ("dpo", {"learning_rate": 1e-3, "method": "full"}),
    "told-whole": ("sft", {"learning_rate": 1e-2, "method": "full"}),
}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture
def settings(foxes, short_wins, tmp_path):
    def of(name, folder, **given):
        recipe, own = KINDS[name]
        source = {"data": [str(foxes)]} if recipe == "sft" else {"votes_url": short_wins}
        return {**COMMON, **own, **source, "out": str(tmp_path / folder / name), **given}

    return of


def test_as_one_process_and_resumed(tiny_base, settings, tmp_path):
    sharded = [
        {
            "recipe": recipe,
            "base": str(tiny_base.path),
            "settings": settings(name, "two", batch_size=2, fsdp=True),
            "resume": resume,
        }
        for name, (recipe, _) in KINDS.items()
        for resume in (False, True)
    ]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(sharded))
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*run, SCRIPT, plan],
        check=False,
        timeout=800,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("held 50 % of the weights") == 2 * len(sharded), done.stdout
    assert done.stdout.count("Resuming from checkpoint-8.") == len(KINDS), done.stdout
    for name, (recipe, _) in KINDS.items():
        given = settings(name, "one", batch_size=4)
        if recipe == "sft":
            one = train_sft(SftSettings(**given), tiny_base, lambda _: None)
        else:
            one = train_dpo(DpoSettings(**given), tiny_base, lambda _: None)
        assert_same(tmp_path / "two" / name, one.path)


def assert_same(found, expected):
    curves = [
        [(each["step"], each["loss"]) for each in metrics.read(folder / "metrics.jsonl")
         if "loss" in each]
        for folder in (found, expected.parent)
    ]  # fmt: skip
    assert [step for step, _ in curves[0]] == list(range(1, 10))
    losses, others = ([loss for _, loss in curve] for curve in curves)
    assert losses == pytest.approx(others, rel=1e-2, abs=1e-4)
    assert losses[-1] < losses[0] / 2
    assert_same_tensors(found / expected.name, expected)


def assert_same_tensors(found, expected):
    import torch
    from safetensors.torch import load_file

    (name,) = (each.name for each in expected.glob("*.safetensors"))
    tensors, others = load_file(found / name), load_file(expected / name)
    assert tensors.keys() == others.keys()
    for each, other in others.items():
        torch.testing.assert_close(tensors[each], other, rtol=1e-2, atol=5e-3)
