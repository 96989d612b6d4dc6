"""Rotary tables against transformers' own, for every scaling and in both forms of config.json."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import LlamaConfig, Phi3Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from rostra.mesh.errors import RostraError
from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.rotary import SCALINGS, RopeConfig, rotary_tables

TRAINED = 2048
HEAD_DIM = 32
LONG = {
    "short_factor": [1.0 + 0.1 * i for i in range(HEAD_DIM // 2)],
    "long_factor": [1.5 + 2.0 * i for i in range(HEAD_DIM // 2)],
}
CASES = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512},
    "yarn, factor by lengths": {
        "rope_type": "yarn",
        "factor": None,
        "original_max_position_embeddings": 256,
    },
    "yarn, ramp of its own": {
        "rope_type": "yarn",
        "factor": 8.0,
        "original_max_position_embeddings": 256,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
        "truncate": False,
    },
    "yarn, two mscales": {
        "rope_type": "yarn",
        "factor": 40.0,
        "original_max_position_embeddings": 256,
        "mscale": 1.0,
        "mscale_all_dim": 0.707,
    },
    "yarn, attention factor": {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 512,
        "attention_factor": 1.25,
    },
    "longrope": {"rope_type": "longrope", "original_max_position_embeddings": 512, **LONG},
    "longrope, attention factor": {
        "rope_type": "longrope",
        "original_max_position_embeddings": 512,
        "attention_factor": 1.1,
        **LONG,
    },
    "longrope, factor": {
        "rope_type": "longrope",
        "original_max_position_embeddings": 512,
        "factor": 32.0,
        **LONG,
    },
    "proportional": {"rope_type": "proportional", "factor": 2.0, "partial_rotary_factor": 0.25},
}
THETAS = [10_000.0, 1_000_000]


def config_json(**values) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 64,
        "hidden_size": 4 * HEAD_DIM,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": TRAINED,
        **values,
    }


def read(folder, **values) -> RopeConfig:
    (folder / "config.json").write_text(json.dumps(config_json(**values)))
    return RopeConfig.read(ModelConfig.of(Fields.read(folder)))


def expected(config, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    make = ROPE_INIT_FUNCTIONS[config.rope_parameters["rope_type"]]
    frequencies, factor = make(config, None, seq_len=length)
    angles = torch.arange(length).float()[:, None] @ frequencies[None]
    return angles.cos() * factor, angles.sin() * factor


def check(rope: RopeConfig, config, length: int) -> None:
    tables = rotary_tables(rope, length, torch.device("cpu"))
    for table, reference in zip(tables, expected(config, length), strict=True):
        assert table.dtype == torch.float32
        torch.testing.assert_close(table, reference, rtol=0, atol=1e-6)


def test_cases_are_of_every_kind():
    assert {case["rope_type"] for case in CASES.values()} | {"default"} == set(SCALINGS)


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("length", [300, 512, 513, TRAINED])
def test_tables_equal_those_of_transformers(tmp_path, case, theta, length):
    settings = {"rope_theta": theta, **CASES[case]}
    rope = read(tmp_path, rope_parameters=settings)
    check(rope, LlamaConfig(**config_json(rope_parameters=dict(settings))), length)


@pytest.mark.parametrize("case", CASES)
def test_older_keys_mean_the_same(tmp_path, case):
    settings = dict(CASES[case])
    new = read(tmp_path, rope_parameters={"rope_theta": 5000.0, **settings})
    kind = settings.pop("rope_type")
    assert read(tmp_path, rope_theta=5000.0, rope_scaling={"type": kind, **settings}) == new


@pytest.mark.parametrize("length", [TRAINED, TRAINED + 1, 4 * TRAINED])
def test_dynamic_scaling_is_that_of_one_forward_of_the_longest_length(tmp_path, length):
    settings = {"rope_theta": 10_000.0, **CASES["dynamic"]}
    rope = read(tmp_path, rope_parameters=settings)
    check(rope, LlamaConfig(**config_json(rope_parameters=dict(settings))), length)


@pytest.mark.parametrize("kind", ["default", "longrope"])
@pytest.mark.parametrize("length", [512, 513])
def test_heads_rotated_in_part(tmp_path, kind, length):
    """As Phi-4-mini: some fields of the rotary settings stand beside them."""
    count = HEAD_DIM * 3 // 4 // 2
    fields = {"partial_rotary_factor": 0.75, "original_max_position_embeddings": 512}
    settings = {"rope_theta": 10_000.0, "rope_type": kind}
    if kind == "longrope":
        settings |= {name: factors[:count] for name, factors in LONG.items()}
    config = Phi3Config(**config_json(rope_parameters=dict(settings), pad_token_id=0, **fields))
    rope = read(tmp_path, rope_parameters=settings, **fields)
    assert rope.dim == 2 * count
    if kind == "default":
        exponents = torch.arange(0, 2 * count, 2).float() / (2 * count)
        angles = torch.arange(length).float()[:, None] * (1.0 / 10_000.0**exponents)
        tables = rotary_tables(rope, length, torch.device("cpu"))
        torch.testing.assert_close(tables[0], angles.cos(), rtol=0, atol=1e-6)
    else:
        check(rope, config, length)


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"rope_type": "default"}, TRAINED),
        (CASES["linear"], TRAINED),
        (CASES["llama3"], TRAINED),
        (CASES["longrope"], TRAINED),
        (CASES["dynamic"], 4 * TRAINED),
        (CASES["yarn"], TRAINED),
        (CASES["yarn"] | {"original_max_position_embeddings": TRAINED}, 4 * TRAINED),
    ],
)
def test_positions_that_a_scaling_allows(tmp_path, settings, limit):
    rope = read(tmp_path, rope_parameters=settings)
    assert rope.scaling.position_limit(TRAINED) == limit


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rope_type": "mrope"}, "rope_parameters.rope_type"),
        ({"rope_type": ["yarn"]}, "rope_parameters.rope_type"),
        ({"rope_type": "linear", "factor": -1.0}, "rope_parameters.factor"),
        ({"rope_type": "default", "rope_theta": 0}, "rope_parameters.rope_theta"),
        ({"rope_type": "default", "partial_rotary_factor": 1.5}, "partial_rotary_factor"),
        ({"rope_type": "default", "partial_rotary_factor": 0.6}, "19 dimensions"),
        ({"rope_type": "llama3", "factor": 8.0}, "low_freq_factor"),
        (CASES["longrope"] | {"long_factor": [1.0]}, "long_factor"),
        (CASES["longrope"] | {"short_factor": [1.0] * 17}, "short_factor"),
        (CASES["longrope"] | {"short_factor": None}, "short_factor"),
        (CASES["longrope"] | {"original_max_position_embeddings": 1}, "no finite tables"),
        (CASES["yarn"] | {"rope_theta": 1.0}, "no finite tables"),
        (CASES["yarn"] | {"attention_factor": float("nan")}, "no finite tables"),
        (CASES["dynamic"] | {"partial_rotary_factor": 2 / HEAD_DIM}, "no finite tables"),
        ({"full_attention": {"rope_type": "default"}}, "one table for all layers"),
        (CASES["yarn"] | {"truncate": 1}, "truncate"),
        (CASES["yarn"] | {"attention_factor": "1"}, "attention_factor"),
    ],
)
def test_settings_that_make_no_sense_are_named(tmp_path, settings, named):
    with pytest.raises(RostraError, match=named):
        read(tmp_path, rope_parameters=settings)
