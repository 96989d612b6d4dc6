"""An adapter that cannot be served is refused by one line that names file and tensor."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from peft_adapters import AdapterCase, save_base
from safetensors.torch import load_file, save_file

from rostra.mesh.adapters import Adapter, LinearMap
from rostra.mesh.adapters.config import AdapterConfig
from rostra.mesh.errors import RostraError

MAPS = {
    f"model.layers.{layer}.{name}": LinearMap(*shape)
    for layer in range(2)
    for name, shape in {
        "self_attn.q_proj": (48, 48),
        "self_attn.k_proj": (48, 16),
        "self_attn.v_proj": (48, 16),
        "self_attn.o_proj": (48, 48),
        "mlp.gate_proj": (48, 80),
        "mlp.up_proj": (48, 80),
        "mlp.down_proj": (80, 48),
    }.items()
}
Q_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
Q_B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    base = save_base(folder / "base")
    AdapterCase(8, ["q_proj", "up_proj"]).save(folder / "adapter", base)
    return folder / "adapter"


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "adapter")
    return tmp_path / "adapter"


def edit_config(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_tensors(folder, change):
    path = folder / WEIGHTS
    tensors = load_file(path)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def read(folder, max_rank=64):
    for module in Adapter(folder, MAPS, max_rank):
        module.read()


def refused(folder, *parts, max_rank=64):
    with pytest.raises(RostraError) as raised:
        read(folder, max_rank)
    message = str(raised.value)
    assert "\n" not in message
    for part in (str(folder), *parts):
        assert part in message, message


def test_what_is_read(folder):
    adapter = Adapter(folder, MAPS, 8)
    assert [module.name for module in adapter] == [
        f"model.layers.{layer}.{name}"
        for layer in range(2)
        for name in ("mlp.up_proj", "self_attn.q_proj")
    ]
    assert adapter.rank == 8
    stored = load_file(folder / WEIGHTS)
    a, b = next(module for module in adapter if module.name.endswith("0.self_attn.q_proj")).read()
    assert torch.equal(a, stored[Q_A])
    assert torch.equal(b, stored[Q_B] * (8 / 8))


def test_the_revision_is_that_of_the_content(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    first = Adapter(folder, MAPS, 8).revision
    assert Adapter(tmp_path / "copy", MAPS, 8).revision == first
    edit_tensors(folder, lambda tensors: tensors[Q_B].mul_(1.5))
    second = Adapter(folder, MAPS, 8).revision
    edit_config(folder, lora_alpha=64)
    assert len({first, second, Adapter(folder, MAPS, 8).revision}) == 3


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"peft_type": "IA3"}, ["peft_type 'IA3' is not supported"]),
        ({"peft_type": None}, ["peft_type None is not supported"]),
        ({"bias": "all"}, ["bias 'all' is not supported"]),
        ({"use_dora": True}, ["use_dora is not supported"]),
        ({"modules_to_save": ["lm_head"]}, ["modules_to_save is not supported"]),
        ({"lora_bias": True}, ["lora_bias is not supported"]),
        ({"fan_in_fan_out": True}, ["fan_in_fan_out is not supported"]),
        ({"layer_replication": [[0, 2]]}, ["layer_replication is not supported"]),
        ({"trainable_token_indices": [3]}, ["trainable_token_indices is not supported"]),
        ({"of_the_future": {"x": 1}}, ["of_the_future is not supported (it is {'x': 1})"]),
        ({"init_lora_weights": "pissa"}, ["init_lora_weights 'pissa' changes the base model's"]),
        ({"r": 0}, ["r: expected a positive integer, found 0"]),
        ({"r": "8"}, ["r: expected a positive integer, found '8'"]),
        ({"lora_alpha": None}, ["lora_alpha: expected a number, found None"]),
        ({"target_modules": None}, ["target_modules: expected names or a pattern, found None"]),
        ({"target_modules": "(q_proj"}, ["target_modules: '(q_proj' is no pattern"]),
        ({"rank_pattern": {"q_proj": 1.5}}, ["q_proj: expected a positive integer, found 1.5"]),
        ({"rank_pattern": ["q_proj"]}, ["rank_pattern: expected an object"]),
    ],
    ids=str,
)
def test_a_config_that_is_not_supported(folder, changes, parts):
    edit_config(folder, **changes)
    refused(folder, "adapter_config.json", *parts)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"target_modules": ["q_proj"]}, [".up_proj.lora_A.weight", "does not name its module"]),
        (
            {"target_modules": ["q_proj", "up_proj", "v_proj"]},
            ["lacks tensor base_model", "v_proj.lora_A.weight, which target_modules"],
        ),
        ({"exclude_modules": ["up_proj"]}, [".up_proj.lora_A.weight", "does not name its module"]),
        ({"r": 4}, ["has shape [8, 48], and with rank 4 this base model asks for [4, 48]"]),
    ],
    ids=str,
)
def test_a_config_that_contradicts_the_tensors(folder, changes, parts):
    edit_config(folder, **changes)
    refused(folder, WEIGHTS, *parts)


def poison(value):
    def change(tensors):
        tensors[Q_B][3, 2] = value

    return change


def rename(old, new):
    return lambda tensors: tensors.update({new: tensors.pop(old)})


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (poison(float("nan")), [f"tensor {Q_B} holds a value that is not finite"]),
        (poison(float("inf")), [f"tensor {Q_B} holds a value that is not finite"]),
        (lambda tensors: tensors.pop(Q_A), [f"lacks tensor {Q_A}"]),
        (lambda tensors: tensors.pop(Q_B), [f"lacks tensor {Q_B}"]),
        (lambda tensors: tensors.clear(), ["holds no tensors"]),
        (
            rename(Q_A, Q_A.replace("layers.0", "layers.7")),
            ["layers.7", "the base model has no linear map model.layers.7.self_attn.q_proj"],
        ),
        (
            lambda tensors: tensors.update({Q_A: torch.zeros(8, 64)}),
            [f"tensor {Q_A}: has shape [8, 64], and with rank 8 this base model asks for [8, 48]"],
        ),
        (
            lambda tensors: tensors.update({Q_B: torch.zeros(48, 8, dtype=torch.int8)}),
            [f"tensor {Q_B}: has dtype I8"],
        ),
        (
            rename(Q_A, Q_A.replace("lora_A.weight", "lora_magnitude_vector")),
            ["lora_magnitude_vector: DoRA is not supported"],
        ),
        (
            rename(Q_A, "base_model.model.model.embed_tokens.lora_embedding_A"),
            ["adapters of embeddings are not supported"],
        ),
        (
            rename(Q_A, "base_model.model.lm_head.lora_A.weight"),
            ["lm_head", "no linear map lm_head that can be adapted"],
        ),
        (rename(Q_A, "weight"), ["tensor weight: its name is none of a LoRA adapter's"]),
    ],
)
def test_tensors_that_do_not_fit(folder, change, parts):
    edit_tensors(folder, change)
    refused(folder, WEIGHTS, *parts)


def test_a_rank_above_the_limit(folder):
    read(folder, max_rank=8)
    refused(folder, "lora_A.weight: rank 8 is above the limit of 4", max_rank=4)


def test_files_that_are_not_there_or_not_whole(folder, tmp_path):
    refused(tmp_path / "nowhere", "holds no adapter_config.json")
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-100])
    refused(folder, WEIGHTS, "is damaged or truncated")
    (folder / WEIGHTS).unlink()
    refused(folder, f"{WEIGHTS} is missing")
    (folder / "adapter_model.bin").write_bytes(b"")
    refused(folder, "adapter_model.bin is a pickle, which is never read")
    (folder / "adapter_config.json").write_text("[]")
    refused(folder, "adapter_config.json: expected a JSON object")
    (folder / "adapter_config.json").write_text("{")
    refused(folder, "adapter_config.json cannot be read")


def test_scales_and_ranks_follow_the_patterns(folder):
    edit_config(
        folder,
        lora_alpha=16,
        use_rslora=True,
        rank_pattern={"q_proj": 4},
        alpha_pattern={r"model.layers.1\..*": 32, "up_proj": 1},
    )
    config = AdapterConfig.read(folder)
    assert config.rank_of("model.layers.0.self_attn.q_proj") == 4
    assert config.rank_of("model.layers.0.self_attn.xq_proj") == 8
    assert config.scale_of("model.layers.0.self_attn.q_proj") == 16 / 4**0.5
    assert config.scale_of("model.layers.1.mlp.up_proj") == 32 / 8**0.5
    assert config.scale_of("model.layers.0.mlp.up_proj") == 1 / 8**0.5
