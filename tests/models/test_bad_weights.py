"""Weights that cannot be trusted: headers, indices and values. Each is one line, with the file and,
where there is one, the tensor."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_checkpoints import SHAPES, save_checkpoint
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save, save_file
from stored_checkpoints import write_pair

from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model
from rostra.mesh.models.checkpoint import Checkpoint

CPU = torch.device("cpu")
NORM = "model.layers.1.input_layernorm.weight"
DOWN = "model.layers.2.mlp.down_proj.weight"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_checkpoint(folder, SHAPES["multi-head"] | {"num_hidden_layers": 3})
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    made = {}

    def copy(kind, to):
        if kind not in made:
            made[kind], _ = write_pair(tmp_path_factory.mktemp("stored"), kind)
        return Path(shutil.copytree(made[kind], to / "model"))

    return copy


def refusal(folder: Path, dtype: torch.dtype = torch.float32, **options) -> str:
    with pytest.raises(RostraError) as caught:
        load_model(folder, CPU, dtype, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert str(folder) in line
    return line


def change(folder: Path, name: str, made) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[name] = made(tensors[name])
    save_file(tensors, folder / "model.safetensors")


def spoilt(value: float):
    def spoil(tensor):
        tensor.view(-1)[-1] = value
        return tensor

    return spoil


@pytest.mark.parametrize("name", [NORM, DOWN, "model.embed_tokens.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(folder, name, value):
    change(folder, name, spoilt(value))
    assert refusal(folder).endswith(f"model.safetensors: tensor {name} has NaN or infinite values")


def test_values_beyond_the_precision_asked_for_are_refused(folder):
    change(folder, DOWN, spoilt(1e6))
    line = refusal(folder, torch.float16)
    assert line.endswith(f"tensor {DOWN} has values that float16 cannot hold")
    load_model(folder, CPU, torch.bfloat16)


@pytest.mark.parametrize("quantization", ["auto", "none"])
@pytest.mark.parametrize(("kind", "part"), [("awq", "scales"), ("fp8 channel", "weight")])
def test_codes_of_no_number_are_refused(quantised, tmp_path, kind, part, quantization):
    folder = quantised(kind, tmp_path)
    layer = "model.layers.1.self_attn.o_proj"
    change(folder, f"{layer}.{part}", spoilt(float("nan")))
    line = refusal(folder, quantization=quantization)
    assert line.endswith(f"tensor {layer}.weight has NaN or infinite values")


@pytest.mark.parametrize(
    ("kind", "part", "made", "named"),
    [
        ("awq", "qzeros", lambda t: t[:, :-1].contiguous(), "has shape"),
        ("awq", "scales", lambda t: t.to(torch.int16), "has dtype I16"),
        ("awq", "scales", lambda t: t[:-1].contiguous(), "has shape|do not divide"),
        ("gptq", "g_idx", lambda t: t + 1, "names groups beyond the 3 of scales"),
        ("gptq", "g_idx", lambda t: t[:-1].contiguous(), "has shape"),
        ("gptq", "qweight", lambda t: t.to(torch.int64), "has dtype I64"),
        ("packed", "weight_scale", lambda t: t[:-1].contiguous(), "does not fit a weight of shape"),
        ("packed", "weight_shape", lambda t: t * 2, "has shape"),
        ("fp8 block", "weight_scale", lambda t: t[:, :-1].contiguous(), "has shape"),
        ("fp8 tensor", "weight_scale", lambda t: t.repeat(3), "has shape"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_named(quantised, tmp_path, kind, part, made, named):
    folder = quantised(kind, tmp_path)
    name = f"model.layers.0.mlp.down_proj.{part}"
    change(folder, name, made)
    line = refusal(folder)
    assert "model.safetensors: tensor model.layers.0.mlp.down_proj." in line
    assert any(words in line for words in named.split("|")), line


@pytest.mark.parametrize(("kind", "part"), [("awq", "qzeros"), ("gptq", "scales")])
def test_a_missing_part_is_named(quantised, tmp_path, kind, part):
    folder = quantised(kind, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors[f"model.layers.0.mlp.up_proj.{part}"]
    save_file(tensors, folder / "model.safetensors")
    assert f"lacks tensor model.layers.0.mlp.up_proj.{part}, which" in refusal(folder)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "'bitsandbytes' is not supported"),
        ({"quant_method": "awq", "version": "gemv"}, "AWQ version 'gemv'"),
        ({"quant_method": "awq", "bits": 8}, "AWQ of 8 bits"),
        ({"quant_method": "gptq", "bits": 3}, "GPTQ of 3 bits"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "'marlin'"),
        ({"quant_method": "gptq", "bits": 4, "group_size": "128"}, "group_size"),
        ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "'nvfp4"),
        (
            {"format": "pack-quantized", "config_groups": {"a": {"weights": {"num_bits": 3}}}},
            "type int with 3 bits",
        ),
        ({"format": "dense", "sparsity_config": {"format": "sparse-bitmask"}}, "'sparse-bitmask'"),
        ({"format": "dense", "transform_config": {"a": 1}}, "transform_config"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size"),
        ("awq", "expected an object"),
    ],
)
def test_quantisation_that_is_not_supported_is_named(folder, given, named):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"quantization_config": given}
    path.write_text(json.dumps(config))
    line = refusal(folder)
    assert named in line
    assert "config.json: quantization_config" in line


def with_header(path: Path, change_header) -> None:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = change_header(content[8 : 8 + length].decode().rstrip()).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + length :])


def test_a_name_given_twice_is_refused(folder):
    line = f'"{NORM}":{{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}'
    with_header(folder / "model.safetensors", lambda header: f"{header[:-1]},{line}}}")
    assert f"model.safetensors is damaged or truncated: its header names '{NORM}' twice" in refusal(
        folder
    )


def test_a_file_that_ends_early_names_the_tensor(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert "it ends before tensor " in refusal(folder)


def test_an_empty_file_is_said_to_be_empty(folder):
    (folder / "model.safetensors").write_bytes(b"")
    assert "model.safetensors is empty" in refusal(folder)


def shard(folder: Path, places) -> None:
    names = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index = {"weight_map": {name: places(name) for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "place", ["../a.safetensors", "/etc/hosts", "b/a.safetensors", "..", "", 3, None, "a\0"]
)
def test_an_index_that_leaves_the_folder_is_refused(folder, place):
    shard(folder, lambda name: place if name == NORM else "a.safetensors")
    line = refusal(folder)
    assert f"puts tensor {NORM} into {place!r}, which is no file name inside" in line


def test_a_link_out_of_the_folder_is_followed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("blobs") / "4f5a"
    (folder / "model.safetensors").rename(elsewhere)
    (folder / "model.safetensors").symlink_to(elsewhere)
    load_model(folder, CPU, torch.float32)


def test_an_index_with_a_name_given_twice_is_refused(folder):
    shard(folder, lambda name: "a.safetensors")
    path = folder / "model.safetensors.index.json"
    path.write_text(path.read_text().replace("{", '{"weight_map": {}, ', 1))
    assert "names 'weight_map' twice" in refusal(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_a_pickle_is_refused_with_what_to_do(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    assert f"{name} is a pickle" in refusal(folder)
    assert "safetensors" in refusal(folder)


def test_an_index_of_pickles_is_refused(folder):
    shard(folder, lambda name: "pytorch_model-00001-of-00001.bin")
    assert "pytorch_model-00001-of-00001.bin is a pickle" in refusal(folder)


SMALL = save({"a": torch.arange(6, dtype=torch.float16).view(2, 3), "b": torch.ones(1)})


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_of_a_file_is_an_error_or_what_the_library_reads(data, tmp_path_factory):
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["byte", "cut", "insert"]))
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        if kind == "byte" and content:
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 20))]
        else:
            content[at:at] = data.draw(st.binary(max_size=10))
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(content)
    found = refused = None
    try:
        with Checkpoint(folder) as checkpoint:
            found = {name: checkpoint.read(name, slice(None)) for name in checkpoint.names}
    except RostraError as error:
        refused = str(error)
    if found is None:
        assert "\n" not in refused
        return
    try:
        expected = load(bytes(content))
    except SafetensorError:
        pytest.fail("the library does not read it")
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert torch.equal(values.view(torch.uint8), expected[name].view(torch.uint8))
