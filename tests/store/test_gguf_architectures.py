"""Each architecture there and back: what transformers computes from a converted file is what it
computed from the model that the file was made of."""

from __future__ import annotations

import json

import gguf
import numpy as np
import pytest
import torch
from gguf_builder import BYTE_LEVEL_TOKENS, GgufBuilder
from hub_to_gguf import MODELS, architecture_of, gguf_tensors, hub_tensors, make_model, metadata
from transformers import AutoModelForCausalLM

from rostra.mesh.errors import RostraError
from rostra.mesh.store import SilentProgress
from rostra.mesh.store.convert import convert_gguf

VOCAB_SIZE = len(BYTE_LEVEL_TOKENS)
TRANSFORMERS_READS = ("llama", "qwen2", "qwen3", "gemma2", "gemma3")
IDS = torch.tensor([[3, 7, 1, 12, 30, 5, 9, 9, 22, 17, 4, 8, 2, 11, 6, 19]])


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


def write(tmp_path, kind, **settings):
    """The model, the GGUF file made of it, and an empty folder."""
    model = make_model(tmp_path / "hub", kind, VOCAB_SIZE, **settings)
    builder = GgufBuilder(tmp_path / f"{kind}.gguf")
    builder.architecture = architecture_of(kind)
    builder.keys = {
        key: value for key, value in builder.keys.items() if not key.startswith("llama.")
    } | metadata(model, kind)
    builder.tensors = gguf_tensors(tmp_path / "hub", kind)
    target = tmp_path / "converted"
    target.mkdir()
    return model, builder, target


def convert(builder, target):
    return convert_gguf(builder.write(), target, SilentProgress())


@pytest.mark.parametrize("kind", MODELS)
def test_a_converted_model_is_the_one_it_was_made_of(tmp_path, kind):
    model, builder, target = write(tmp_path, kind)
    assert convert(builder, target) == "F32"
    original, converted = hub_tensors(tmp_path / "hub"), hub_tensors(target)
    assert converted.keys() == original.keys()
    for name, values in original.items():
        # Gemma's norms lose what adding one and taking it away again loses.
        np.testing.assert_allclose(converted[name], values, rtol=0, atol=1e-7, err_msg=name)
    loaded = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    assert kind == "mistral" or type(loaded) is type(model)
    assert (logits(loaded) - logits(model)).abs().max() < 1e-5


@pytest.mark.parametrize("kind", TRANSFORMERS_READS)
def test_transformers_reads_the_same_from_the_file_itself(tmp_path, kind):
    _, builder, target = write(tmp_path, kind)
    builder.quantization = gguf.GGMLQuantizationType.Q8_0
    builder.keys["general.name"] = kind
    # It takes the width of heads from here.
    width = builder.keys.get(f"{builder.architecture}.attention.key_length", 16)
    builder.keys[f"{builder.architecture}.rope.dimension_count"] = width
    file = builder.write()
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=file.name, dtype=torch.float32
    ).eval()
    convert_gguf(file, target, SilentProgress())
    ours = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    expected = theirs.state_dict()
    found = ours.state_dict()
    for name, values in found.items():
        # Ours were rounded to float16.
        torch.testing.assert_close(values, expected[name], rtol=2**-10, atol=1e-6, msg=name)


def rope_settings(target):
    config = json.loads((target / "config.json").read_text())
    return config.get("rope_scaling")


SCALINGS = {
    "linear": (
        {"rope_type": "linear", "factor": 4.0},
        {"type": "linear", "factor": 4.0},
    ),
    "yarn": (
        {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 64,
            "beta_fast": 16.0,
            "beta_slow": 2.0,
        },
        {
            "type": "yarn",
            "factor": 4.0,
            "original_context_length": 64,
            "yarn_beta_fast": 16.0,
            "yarn_beta_slow": 2.0,
        },
    ),
}


@pytest.mark.parametrize("kind", SCALINGS)
def test_scaled_rotary_embeddings_are_kept(tmp_path, kind):
    hub, keys = SCALINGS[kind]
    model, builder, target = write(tmp_path, "qwen3", rope_parameters={"rope_theta": 10000.0} | hub)
    builder.keys |= {f"qwen3.rope.scaling.{key}": value for key, value in keys.items()}
    convert(builder, target)
    assert rope_settings(target) == hub
    loaded = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    assert (logits(loaded) - logits(model)).abs().max() < 1e-5


def llama3_factors(factor=8.0, low=1.0, high=4.0, original=8192, head_dim=16, theta=500_000.0):
    """Written out from Llama 3.1's release, frequency by frequency."""
    factors = []
    for index in range(0, head_dim, 2):
        wavelength = 2 * np.pi * theta ** (index / head_dim)
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama_3s_settings_are_recovered_from_its_factors(tmp_path, factor):
    hub = {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    model, builder, target = write(
        tmp_path, "llama", rope_parameters={"rope_theta": 500_000.0} | hub
    )
    builder.tensors["rope_freqs.weight"] = llama3_factors(factor)
    convert(builder, target)
    assert rope_settings(target) == hub
    loaded = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    assert (logits(loaded) - logits(model)).abs().max() < 1e-5


def test_factors_of_another_kind_are_refused(tmp_path):
    _, builder, target = write(tmp_path, "llama")
    builder.keys["llama.rope.freq_base"] = 500_000.0
    builder.tensors["rope_freqs.weight"] = llama3_factors(high=3.0)
    with pytest.raises(RostraError, match="factors are not those of Llama 3"):
        convert(builder, target)


def test_factors_that_change_nothing_are_left_out(tmp_path):
    _, builder, target = write(tmp_path, "llama")
    builder.tensors["rope_freqs.weight"] = np.ones(8, np.float32)
    convert(builder, target)
    assert rope_settings(target) is None


def test_phi_3s_long_and_short_factors_are_kept(tmp_path):
    short = [1.0 + index / 8 for index in range(8)]
    long = [2.0 + index for index in range(8)]
    scaling = {"rope_type": "longrope", "short_factor": short, "long_factor": long}
    model, builder, target = write(
        tmp_path,
        "phi3",
        original_max_position_embeddings=64,
        rope_parameters={"rope_theta": 10000.0} | scaling,
    )
    builder.tensors["rope_factors_long.weight"] = np.array(long, np.float32)
    builder.tensors["rope_factors_short.weight"] = np.array(short, np.float32)
    convert(builder, target)
    assert rope_settings(target) == scaling
    loaded = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    assert (logits(loaded) - logits(model)).abs().max() < 1e-5


def test_gemma_3s_second_table_of_rotations_is_kept(tmp_path):
    _, builder, target = write(tmp_path, "gemma3")
    builder.keys["gemma3.rope.freq_base_swa"] = 20_000.0
    convert(builder, target)
    assert json.loads((target / "config.json").read_text())["rope_local_base_freq"] == 20_000.0


@pytest.mark.parametrize(
    ("layers", "architecture", "expected"), [(46, "gemma2", 144), (62, "gemma3", 168)]
)
def test_the_largest_gemmas_scale_attention_by_their_width(
    tmp_path, layers, architecture, expected
):
    from rostra.mesh.store.gguf_config import hub_config
    from rostra.mesh.store.gguf_file import GgufModel
    from rostra.mesh.store.gguf_names import ARCHITECTURES

    _, builder, _ = write(tmp_path, architecture)
    builder.keys |= {
        f"{architecture}.block_count": layers,
        f"{architecture}.embedding_length": expected * 32,
        f"{architecture}.attention.head_count": 32,
        f"{architecture}.attention.key_length": 128,
        f"{architecture}.attention.value_length": 128,
    }
    config = hub_config(GgufModel(builder.write()), ARCHITECTURES[architecture])
    assert config["query_pre_attn_scalar"] == expected
