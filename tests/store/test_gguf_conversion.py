"""Conversion: against transformers' own reading of the same file, and file by file."""

from __future__ import annotations

import json
from typing import NamedTuple

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch_file
from transformers.integrations.gguf.dequant import GGML_BLOCK
from transformers.integrations.gguf.dequant import dequantize as transformers_dequantise

from rostra.mesh.errors import RostraError
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.store import SilentProgress
from rostra.mesh.store.checks import check_model_folder, weight_files
from rostra.mesh.store.convert import convert_gguf
from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.store.gguf_weights import dequantise, total_bytes, write_weights

# The names of the hub's Llama checkpoints, written out a second time.
INNER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class CountingProgress(SilentProgress):
    def __init__(self):
        self.totals = []
        self.done = 0

    def task(self, description, total):
        self.totals.append(total)
        return super().task(description, total)

    def advance(self, count):
        self.done += count


@pytest.fixture(scope="module")
def demo_tensors(demo_gguf):
    return {tensor.name: tensor for tensor in gguf.GGUFReader(demo_gguf).tensors}


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "converted"
    folder.mkdir()
    return folder


def assert_equals_transformers(gguf_file, folder):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    expected = load_gguf_checkpoint(
        str(gguf_file), return_tensors=True, model_to_load=skeleton, torch_dtype=torch.float32
    )["tensors"]
    ours = load_file(folder / "model.safetensors")
    assert ours.keys() == expected.keys() == dict(skeleton.named_parameters()).keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(
            values, expected[name].numpy().astype(values.dtype), err_msg=name
        )


@pytest.mark.parametrize("block", [0, 17, 29])
def test_the_demo_models_weights_are_what_transformers_reads(demo_tensors, demo_model, block):
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    processor = LlamaTensorProcessor({"num_attention_heads": 9, "num_key_value_heads": 3})
    ours = load_file(demo_model / "model.safetensors")
    prefix = f"model.layers.{block}."
    for name in INNER_NAMES:
        tensor = demo_tensors[f"blk.{block}.{name}.weight"]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        expected = processor.process(weights=values, name=tensor.name).weights
        found = ours[prefix + INNER_NAMES[name] + ".weight"]
        np.testing.assert_array_equal(found, expected.astype(np.float16), err_msg=name)
    assert sum(name.startswith(prefix) for name in ours) == len(INNER_NAMES)


def test_the_demo_models_shape(demo_tensors, demo_model):
    config = ModelConfig.read(demo_model)
    assert config.num_hidden_layers == 30
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (9, 3, 64)
    assert (config.hidden_size, config.intermediate_size) == (576, 1536)
    assert (config.vocab_size, config.max_position_embeddings) == (49152, 8192)
    assert config.fields.number("rms_norm_eps", 0.0) == 1e-5
    assert config.tie_word_embeddings
    assert json.loads((demo_model / "config.json").read_text())["rope_theta"] == 100000.0
    assert len(demo_tensors) == len(load_file(demo_model / "model.safetensors")) == 272


@pytest.mark.parametrize("kind", ["F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_a_tiny_model_equals_transformers_reading(builder, target, kind):
    builder.quantization = gguf.GGMLQuantizationType[kind]
    for name in ("attn_q", "attn_v", "ffn_down"):
        weight = builder.tensors[f"blk.0.{name}.weight"]
        builder.tensors[f"blk.0.{name}.weight"] = weight * 100
    builder.tensors["output.weight"] = builder.tensors["token_embd.weight"] + 1
    file = builder.write()
    assert convert_gguf(file, target, SilentProgress()) == kind
    assert_equals_transformers(file, target)
    check_model_folder(target)


def test_progress_ends_at_its_total(tiny_gguf, target):
    progress = CountingProgress()
    convert_gguf(tiny_gguf, target, progress)
    assert progress.totals == [total_bytes(GgufModel(tiny_gguf))]
    assert progress.done == progress.totals[0]


def test_shards_hold_what_one_file_holds(tiny_gguf, target, tmp_path):
    model = GgufModel(tiny_gguf)
    whole = tmp_path / "whole"
    whole.mkdir()
    write_weights(model, whole, SilentProgress())
    write_weights(model, target, SilentProgress(), shard_bytes=20_000)
    names = weight_files(target)
    assert len(names) > 2
    joined = {}
    for name in names:
        joined |= load_file(target / name)
    expected = load_file(whole / "model.safetensors")
    assert joined.keys() == expected.keys()
    assert all((joined[name] == values).all() for name, values in expected.items())


def test_files_can_be_read_by_others(tiny_gguf, target):
    convert_gguf(tiny_gguf, target, SilentProgress())
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in target.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_one_clear_line(tiny_gguf, target, share):
    data = tiny_gguf.read_bytes()
    tiny_gguf.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RostraError, match=r"tiny\.gguf is cut short or no GGUF file") as caught:
        convert_gguf(tiny_gguf, target, SilentProgress())
    assert "\n" not in str(caught.value)


def test_another_kind_of_file_is_refused(tmp_path, target):
    other = tmp_path / "weights.gguf"
    other.write_bytes(b"PK\x03\x04" * 1000)
    with pytest.raises(RostraError, match="no GGUF file"):
        convert_gguf(other, target, SilentProgress())


def test_another_architecture_is_refused(builder, target):
    builder.architecture = "mamba"
    with pytest.raises(RostraError, match=r"architecture 'mamba'; those .* are llama, qwen2,"):
        convert_gguf(builder.write(), target, SilentProgress())


@pytest.mark.parametrize(
    "key",
    [
        "llama.block_count",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.model",
    ],
)
def test_a_missing_key_is_named(builder, target, key):
    builder.keys[key] = None
    with pytest.raises(RostraError, match=f"lacks the key {key}"):
        convert_gguf(builder.write(), target, SilentProgress())


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("llama.block_count", "two", "not of kind int"),
        ("llama.rope.scaling.type", "su", "scaled by 'su'"),
        ("llama.rope.scaling.type", "yarn", "lacks the key llama.rope.scaling.factor"),
        ("llama.expert_count", 8, "lacks the key llama.expert_used_count"),
        ("llama.attention.value_length", 8, "another width"),
        ("split.count", 3, "llama-gguf-split --merge"),
        ("llama.rope.dimension_count", 8, "rotates 8 of 16"),
        ("tokenizer.ggml.model", "bert", "vocabulary of kind 'bert'"),
        ("tokenizer.ggml.pre", "unheard-of", "rule 'unheard-of'"),
        ("tokenizer.ggml.merges", ["a z"], "vocabulary is broken"),
        ("tokenizer.ggml.merges", ["ab"], "vocabulary is broken"),
        ("tokenizer.ggml.tokens", ["a", "a"], "names a token twice"),
        ("tokenizer.ggml.eos_token_id", 99999, "outside the vocabulary"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(builder, target, key, value, reason):
    builder.keys[key] = value
    with pytest.raises(RostraError, match=reason):
        convert_gguf(builder.write(), target, SilentProgress())


@pytest.mark.parametrize("name", ["blk.0.ffn_gate_exps.weight", "blk.0.other.weight", "o.bias"])
def test_tensors_of_other_models_are_refused(builder, target, name):
    builder.tensors[name] = np.ones(8, np.float32)
    with pytest.raises(RostraError, match="that a LlamaForCausalLM does not"):
        convert_gguf(builder.write(), target, SilentProgress())


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [("output_norm", "F32", np.nan), ("output_norm", "F32", np.inf), ("token_embd", "Q8_0", 1e8)],
)
def test_values_that_are_not_finite_are_refused(builder, target, name, kind, value):
    builder.quantization = gguf.GGMLQuantizationType[kind]
    builder.tensors[f"{name}.weight"].flat[3] = value
    with pytest.raises(RostraError, match=rf"{name}\.weight.*not finite"):
        convert_gguf(builder.write(), target, SilentProgress())


def test_what_float16_cannot_hold_is_kept_in_float32(builder, target):
    builder.tensors["output_norm.weight"][3] = 1e6
    convert_gguf(builder.write(), target, SilentProgress())
    found = load_file(target / "model.safetensors")
    assert found["model.norm.weight"].dtype == np.float32
    assert found["model.norm.weight"][3] == 1e6
    assert found["model.layers.0.input_layernorm.weight"].dtype == np.float16


def test_bfloat16_stays_bfloat16(builder, target):
    builder.quantization = gguf.GGMLQuantizationType.BF16
    expected = torch.from_numpy(builder.tensors["blk.0.ffn_up.weight"]).bfloat16()
    assert convert_gguf(builder.write(), target, SilentProgress()) == "BF16"
    found = load_torch_file(target / "model.safetensors")
    assert torch.equal(found["model.layers.0.mlp.up_proj.weight"], expected)


class Stored(NamedTuple):
    """What `dequantise` reads of a tensor in a file."""

    name: str
    tensor_type: gguf.GGMLQuantizationType


@pytest.mark.parametrize("kind", sorted(GGML_BLOCK))
def test_every_type_is_dequantised_as_transformers_does(tiny_gguf, kind):
    kind = gguf.GGMLQuantizationType(kind)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    assert GGML_BLOCK[kind] == (elements, size)
    # Any bytes are codes; with these, any two are a float16 below two.
    blocks = np.random.default_rng(3).integers(0, 64, (4, 3 * size), dtype=np.uint8)
    found = dequantise(Stored("tensor", kind), blocks, GgufModel(tiny_gguf))
    expected = transformers_dequantise(torch.from_numpy(blocks).flatten(), kind)
    np.testing.assert_allclose(found.flatten(), expected.flatten().numpy(), rtol=1e-6, atol=1e-6)
