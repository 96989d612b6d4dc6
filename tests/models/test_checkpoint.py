"""Damaged, incomplete and contradictory model folders: one line that names the culprit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_checkpoints import SHAPES, save_checkpoint
from safetensors.torch import load_file, save_file

from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tmp_path, SHAPES["grouped, tied"])
    return tmp_path


@pytest.fixture
def sharded(tmp_path):
    save_checkpoint(tmp_path, SHAPES["multi-head"], max_shard_size="100KB")
    return tmp_path


def load(folder: Path, **options):
    return load_model(folder, CPU, torch.float32, **options)


def refusal(folder: Path, **options) -> str:
    with pytest.raises(RostraError) as caught:
        load(folder, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


def change_weights(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def change_config(folder: Path, **values) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


NORM = "model.layers.1.input_layernorm.weight"


def test_missing_tensor_is_named(folder):
    change_weights(folder, lambda tensors: tensors.pop(NORM))
    assert NORM in refusal(folder)


def test_unexpected_tensor_is_named(folder):
    change_weights(folder, lambda tensors: tensors.update({"model.extra": torch.zeros(2)}))
    assert "model.extra" in refusal(folder)


def test_misshaped_tensor_is_named_with_both_shapes(folder):
    change_weights(folder, lambda tensors: tensors.update({NORM: torch.zeros(71)}))
    line = refusal(folder)
    assert NORM in line
    assert "[71]" in line
    assert "[72]" in line


def test_tensor_of_integers_is_refused(folder):
    change_weights(
        folder, lambda tensors: tensors.update({NORM: torch.zeros(72, dtype=torch.int8)})
    )
    assert "I8" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 7, 100, 0.5, 0.999])
def test_truncated_file_is_refused(folder, kept):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    assert "model.safetensors" in refusal(folder)


def test_absent_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    assert "model.safetensors" in refusal(folder)


def test_missing_shard_is_named(sharded):
    shard = sorted(sharded.glob("model-*.safetensors"))[1]
    shard.unlink()
    assert shard.name in refusal(sharded)


def test_index_that_misplaces_a_tensor_is_refused(sharded):
    index = sharded / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    files = sorted(set(content["weight_map"].values()))
    name = next(name for name, file in content["weight_map"].items() if file == files[0])
    content["weight_map"][name] = files[1]
    index.write_text(json.dumps(content))
    assert name in refusal(sharded)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"weight_map": {"a": "../b"}}', '{"weight_map": 3}']
)
def test_bad_index_is_refused(sharded, content):
    index = sharded / "model.safetensors.index.json"
    index.write_text(content)
    assert index.name in refusal(sharded)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"architectures": ["NewForCausalLM"]}, "LlamaForCausalLM"),
        ({"architectures": ["MambaForCausalLM"]}, "model_type"),
        ({"architectures": None}, "architectures"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"num_key_value_heads": 2}, "num_key_value_heads"),
        ({"hidden_size": "72"}, "hidden_size"),
        ({"vocab_size": None}, "vocab_size"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings"),
        ({"head_dim": 7}, "head_dim"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"rope_parameters": {"rope_type": "mrope", "factor": 2.0}}, "mrope"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 0}}, "rope_parameters.factor"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"rope_parameters": {"rope_type": "linear"}}, "factor"),
        ({"rope_parameters": "linear"}, "rope_parameters"),
    ],
)
def test_config_that_cannot_be_served_is_refused(folder, values, named):
    change_config(folder, **values)
    assert named in refusal(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
def test_config_that_is_no_object_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    assert "config.json" in refusal(folder)


def test_folder_without_config_is_refused(tmp_path):
    assert str(tmp_path) in refusal(tmp_path)


def test_length_beyond_the_model_is_refused(folder):
    assert "--max-model-len" in refusal(folder, max_model_len=2049)


def test_older_form_of_rope_settings_gives_the_same_model(tmp_path):
    save_checkpoint(tmp_path, SHAPES["llama3 scaling"])
    new = load(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    scaling = config.pop("rope_parameters")
    config["rope_theta"] = scaling.pop("rope_theta")
    path.write_text(json.dumps(config | {"rope_scaling": scaling}))
    assert load(tmp_path).ropes == new.ropes


def test_tied_checkpoint_may_carry_its_output_layer(folder):
    extra = {"lm_head.weight": torch.zeros(211, 72)}
    change_weights(folder, lambda tensors: tensors.update(extra))
    load(folder)


@pytest.mark.parametrize("kind", ["folder", "sharded"])
def test_progress_counts_every_byte_once(request, kind):
    path = request.getfixturevalue(kind)
    seen: list[tuple[int, int]] = []
    load(path, progress=lambda done, total: seen.append((done, total)))
    done = [entry[0] for entry in seen]
    tensors = [load_file(file) for file in path.glob("*.safetensors")]
    size = sum(tensor.nbytes for file in tensors for tensor in file.values())
    assert done == sorted(set(done))
    assert {total for _, total in seen} == {size}
    assert done[-1] == size
