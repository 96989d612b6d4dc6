"""What config.json may say of a mixture of experts, and what of it is refused by name."""

from __future__ import annotations

import json

import pytest
import torch
from model_harness import Harness, check_against, random_prompts
from moe_checkpoints import VOCAB_SIZE, save_mixture
from safetensors.torch import load_file, save_file
from thread_ranks import run_ranks
from transformers import AutoConfig

from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model
from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.loader import FAMILIES
from rostra.mesh.models.moe import MixtureOfExperts, Routing
from rostra.mesh.models.parameters import Weight
from rostra.mesh.ops.torch_cpu import TorchCpuOps

CPU = torch.device("cpu")
STACKED = {"save_original_format": False}
PUBLISHED = {
    "Mixtral 8x7B": {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "num_attention_heads": 32,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "vocab_size": 32000,
    },
    "Qwen3 30B A3B": {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "attention_bias": False,
        "decoder_sparse_step": 1,
        "head_dim": 128,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "max_position_embeddings": 40960,
        "max_window_layers": 48,
        "mlp_only_layers": [],
        "moe_intermediate_size": 768,
        "norm_topk_prob": True,
        "num_attention_heads": 32,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 48,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "vocab_size": 151936,
    },
}
"""As far as the shape of the model follows from it, from their publishers' files."""
SIZES = {"Mixtral 8x7B": (46.70, 32 * 8 * 3), "Qwen3 30B A3B": (30.53, 48 * 128 * 3)}
"""Billions of weights, and tensors of experts."""


def build(folder, raw):
    (folder / "config.json").write_text(json.dumps(raw))
    fields = Fields.read(folder)
    family = FAMILIES[fields.architecture()]
    return family(ModelConfig.of(fields.or_else(family.defaults)), TorchCpuOps(torch.float32))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_model_has_its_size(tmp_path, name):
    model = build(tmp_path, PUBLISHED[name])
    weights = [weight for weight in model.parameters() if isinstance(weight, Weight)]
    of_experts = [p.name for w in weights for p in w.pieces if ".experts." in p.name]
    found = round(sum(weight.numel() for weight in weights) / 1e9, 2), len(set(of_experts))
    assert found == SIZES[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_absent_fields_mean_what_they_mean_in_transformers(tmp_path, name):
    raw = {"hidden_size": 128, "num_hidden_layers": 1, "intermediate_size": 96, "vocab_size": 64}
    raw |= {key: PUBLISHED[name][key] for key in ("architectures", "model_type")}
    model = build(tmp_path, raw | {"num_attention_heads": 32})
    reference = AutoConfig.from_pretrained(tmp_path)
    (mixture,) = (module for module in model.modules() if isinstance(module, MixtureOfExperts))
    assert mixture.routing == Routing(
        reference.num_local_experts,
        reference.num_experts_per_tok,
        getattr(reference, "norm_topk_prob", True),
    )
    size = getattr(reference, "moe_intermediate_size", reference.intermediate_size)
    assert mixture.experts[0].down.shape == (128, size)
    assert model.config.num_key_value_heads == reference.num_key_value_heads
    assert model.config.max_position_embeddings == reference.max_position_embeddings
    assert model.config.tie_word_embeddings == reference.tie_word_embeddings
    assert model.eps == reference.rms_norm_eps
    assert model.ropes[0].theta == reference.rope_parameters["rope_theta"]


def test_either_name_of_the_number_of_experts_is_read(tmp_path):
    model = save_mixture(tmp_path, "qwen3")
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["num_experts"] = config.pop("num_local_experts")
    path.write_text(json.dumps(config))
    prompts = random_prompts([20], VOCAB_SIZE)
    harness = Harness(tmp_path)
    harness.generate(prompts, 3)
    check_against(harness, model, prompts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_experts_per_tok": 9}, "num_experts_per_tok: 9 is more than num_local_experts, 8"),
        ({"num_experts_per_tok": 0}, "num_experts_per_tok: expected a positive integer"),
        ({"num_local_experts": 9}, "lacks tensor model.layers.0.mlp.experts.8.gate_proj.weight"),
        (
            {"num_local_experts": 7},
            "has, beyond what its config.json describes, tensor "
            "model.layers.0.mlp.experts.7.down_proj.weight and 5 more",
        ),
        ({"moe_intermediate_size": 40}, r"shape \[48, 64\], but config.json asks for \[40, 64\]"),
        ({"mlp_only_layers": "all"}, "mlp_only_layers: expected a list of layers, found 'all'"),
        ({"mlp_only_layers": [0]}, "lacks tensor model.layers.0.mlp.gate_proj.weight"),
        ({"hidden_act": "gelu"}, "hidden_act: 'gelu' is not supported"),
        ({"layer_types": ["full_attention"] * 2}, "layer_types: .* is not supported"),
    ],
)
@pytest.mark.parametrize("stacked", [False, True], ids=["single", "stacked"])
def test_a_config_that_does_not_fit_is_refused(tmp_path, changes, message, stacked):
    save_mixture(tmp_path, "qwen3", saving=STACKED if stacked else {})
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(RostraError, match=message):
        load_model(tmp_path, CPU, torch.float32)


def test_ranks_that_do_not_divide_an_expert_are_refused(tmp_path):
    save_mixture(tmp_path, "qwen3, window")
    with pytest.raises(RostraError, match="30 intermediate features of an expert cannot be"):
        run_ranks(4, lambda ranks: load_model(tmp_path, CPU, torch.float32, parallel=ranks))


def test_a_stack_that_is_none_is_refused(tmp_path):
    save_mixture(tmp_path, "mixtral", saving=STACKED)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    name = "model.layers.1.mlp.experts.gate_up_proj"
    tensors[name] = tensors[name].flatten(0, 1)
    save_file(tensors, path)
    with pytest.raises(RostraError, match=rf"tensor {name} has shape \[768, 64\], which is no"):
        load_model(tmp_path, CPU, torch.float32)
