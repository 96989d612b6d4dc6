"""LoRA on a base of four bits, by bitsandbytes on the processor."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch

from rostra.training import base as bases
from rostra.training import metrics
from rostra.training.dpo import train_dpo
from rostra.training.errors import TrainingError
from rostra.training.settings import DpoSettings, SftSettings
from rostra.training.sft import train_sft

QUICK = {"batch_size": 4, "learning_rate": 1e-2, "lora_rank": 4, "device": "cpu", "threads": 1}


def settings(data, out, **given):
    return SftSettings(
        model="tiny", data=(data,), out=out, **{"method": "qlora", "epochs": 2, **QUICK, **given}
    )


def test_it_learns_and_makes_an_adapter_as_lora_does(tiny_base, foxes, tmp_path):
    from safetensors.torch import load_file

    found = train_sft(settings(foxes, tmp_path / "q"), tiny_base, lambda _: None)
    losses = [each["eval_loss"] for each in found.metrics if "eval_loss" in each]
    assert losses[-1] < losses[0] / 2
    plain = settings(foxes, tmp_path / "l", method="lora", max_steps=1)
    other = train_sft(plain, tiny_base, lambda _: None)
    # The base of four bits is another model, though not by much.
    first = metrics.first(other.metrics, "eval_loss")
    assert losses[0] != first
    assert losses[0] == pytest.approx(first, rel=0.1)
    tensors = [load_file(each.path / "adapter_model.safetensors") for each in (found, other)]
    shapes = [{name: tuple(each.shape) for name, each in made.items()} for made in tensors]
    assert shapes[0] == shapes[1]
    assert "method: qlora" in (found.path / "README.md").read_text()
    config = json.loads((found.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"


def test_votes_are_learnt_from_as_well(tiny_base, short_wins, tmp_path):
    given = {**QUICK, "max_length": 128, "epochs": 3, "method": "qlora"}
    run = train_dpo(
        DpoSettings(model="tiny", votes_url=short_wins, out=tmp_path / "d", **given),
        tiny_base,
        lambda _: None,
    )
    margins = [each["eval_rewards/margins"] for each in run.metrics if "eval_loss" in each]
    assert margins[0] == pytest.approx(0, abs=1e-6)
    assert margins[-1] > 0.5
    assert metrics.last(run.metrics, "eval_rewards/accuracies") == 1
    assert (run.path / "adapter_model.safetensors").is_file()


def test_the_base_is_of_four_bits_and_computes_what_they_stand_for(tiny_base, foxes, tmp_path):
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit
    from transformers import AutoModelForCausalLM

    given = settings(foxes, tmp_path / "r")
    model = bases.load_model(tiny_base, given)
    plain = AutoModelForCausalLM.from_pretrained(tiny_base.path, dtype=torch.float32)
    maps = {name: each for name, each in model.named_modules() if isinstance(each, Linear4bit)}
    assert len(maps) == 2 * 7  # all but the output head
    for name, each in maps.items():
        assert each.weight.dtype == torch.uint8
        stands_for = dequantize_4bit(each.weight.data, each.weight.quant_state)
        own = plain.get_submodule(name)
        error = (stands_for - own.weight.data).norm() / own.weight.data.norm()
        assert 0.01 < error < 0.15
        own.weight.data = stands_for.float()
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        found, expected = model(ids).logits.float(), plain(ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_without_bitsandbytes_it_says_what_to_do(tiny_base, foxes, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else real(name)
    )
    with pytest.raises(TrainingError, match=r"pip install 'rostra\[train\]'.*or use lora"):
        train_sft(settings(foxes, tmp_path / "r"), tiny_base, lambda _: None)
    assert not (tmp_path / "r" / "run.json").exists()
