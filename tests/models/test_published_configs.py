"""Published models by their config.json alone: which tensors would be read, and the tables."""

from __future__ import annotations

import json

import pytest
import torch
from published_configs import BILLIONS, PUBLISHED
from transformers import AutoConfig, AutoModelForCausalLM

from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.loader import FAMILIES
from rostra.mesh.models.parameters import Weight
from rostra.mesh.models.rotary import rotary_tables
from rostra.mesh.ops.torch_cpu import TorchCpuOps

CPU = torch.device("cpu")
LENGTH = 100


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_model_has_the_tensors_and_tables_of_transformers(tmp_path, name):
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED[name]))
    fields = Fields.read(tmp_path)
    family = FAMILIES[fields.architecture()]
    model = family(ModelConfig.of(fields.or_else(family.defaults)), TorchCpuOps(torch.float32))
    config = AutoConfig.from_pretrained(tmp_path)
    with torch.device("meta"):
        reference = AutoModelForCausalLM.from_config(config)

    weights = [weight for weight in model.parameters() if isinstance(weight, Weight)]
    needed = {piece.name: piece.shape for weight in weights for piece in weight.pieces}
    assert needed == {name: tuple(p.shape) for name, p in reference.named_parameters()}
    assert round(sum(weight.numel() for weight in weights) / 1e9, 2) == BILLIONS[name]

    rotary = type(reference.model.rotary_emb)(config)
    angles = torch.arange(LENGTH).float()[:, None] * rotary.inv_freq
    [rope] = model.ropes
    cosines, sines = rotary_tables(rope, LENGTH, CPU)
    factor = rotary.attention_scaling
    torch.testing.assert_close(cosines, angles.cos() * factor, rtol=0, atol=1e-6)
    torch.testing.assert_close(sines, angles.sin() * factor, rtol=0, atol=1e-6)


def test_qwen_stretched_by_its_documents_reaches_four_times_as_far(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED["Qwen2.5 7B, stretched"]))
    family = FAMILIES["Qwen2ForCausalLM"]
    model = family(ModelConfig.read(tmp_path), TorchCpuOps(torch.float32))
    assert model.position_limit == 131072
