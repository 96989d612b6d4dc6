"""What config.json may leave out, and what the dense families refuse by name."""

from __future__ import annotations

import json

import pytest
import torch
from family_checkpoints import FAMILIES, MAX_MODEL_LEN, save_family
from model_checkpoints import VOCAB_SIZE
from model_harness import Harness, check_against, random_prompts
from transformers import AutoConfig

from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model
from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.loader import FAMILIES as SUPPORTED

CPU = torch.device("cpu")


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(folder, **options):
    with pytest.raises(RostraError) as caught:
        load_model(folder, CPU, torch.float32, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


KINDS = sorted({kind for kind, _ in FAMILIES.values()}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_absent_fields_mean_what_they_mean_in_transformers(tmp_path, kind):
    """Older checkpoints leave out what their class has as default."""
    shape = {"hidden_size": 128, "num_hidden_layers": 2, "intermediate_size": 96, "vocab_size": 64}
    raw = {
        **shape,
        "num_attention_heads": 32,
        "model_type": kind.model_type,
        "architectures": [kind.__name__.replace("Config", "ForCausalLM")],
    }
    (tmp_path / "config.json").write_text(json.dumps(raw))
    reference = AutoConfig.from_pretrained(tmp_path)
    fields = Fields.read(tmp_path)
    family = SUPPORTED[fields.architecture()]
    config = ModelConfig.of(fields.or_else(family.defaults))
    ours = {
        "num_key_value_heads": config.num_key_value_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "tie_word_embeddings": config.tie_word_embeddings,
        "head_dim": config.head_dim,
        "rms_norm_eps": config.fields.number("rms_norm_eps", 1e-6),
        "rope_theta": config.fields.number("rope_theta", 10_000.0),
    }
    theirs = {name: getattr(reference, name, None) for name in ours} | {
        "rope_theta": reference.rope_parameters["rope_theta"],
        "head_dim": getattr(reference, "head_dim", 128 // 32),
    }
    assert ours == theirs


def test_checkpoint_that_leaves_out_what_is_default(tmp_path):
    """SmolLM3 was published without a word on its tied embeddings."""
    model = save_family(tmp_path, *FAMILIES["smollm3"])
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for name in ("tie_word_embeddings", "no_rope_layers", "layer_types", "use_sliding_window"):
        del config[name]
    theta = config.pop("rope_parameters")["rope_theta"]
    assert theta == 2_000_000.0
    path.write_text(json.dumps(config))
    prompts = random_prompts([30], VOCAB_SIZE)
    harness = Harness(tmp_path, max_model_len=MAX_MODEL_LEN)
    harness.generate(prompts, 10)
    check_against(harness, model, prompts)


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        *[(name, {"hidden_act": "relu"}, "hidden_act") for name in FAMILIES if "," not in name],
        ("llama", {"is_causal": False}, "is_causal"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ("mistral", {"layer_types": ["full_attention"] * 2}, "layer_types"),
        ("mistral", {"sliding_window": 0}, "sliding_window"),
        ("qwen2", {"layer_types": ["full_attention", "chunked_attention"]}, "chunked_attention"),
        ("qwen2", {"layer_types": ["full_attention"]}, "layer_types"),
        ("qwen2", {"layer_types": ["sliding_attention"] * 2}, "use_sliding_window"),
        ("qwen3", {"attention_bias": True}, "q_proj.bias"),
        ("phi3", {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "llama3"),
        ("phi4-mini, short factors", {"head_dim": 32}, "short_factor"),
        ("smollm3", {"no_rope_layers": [1]}, "no_rope_layers"),
        ("smollm3", {"no_rope_layers": "none"}, "no_rope_layers"),
        (
            "smollm3",
            {"use_sliding_window": True, "layer_types": ["sliding_attention"] * 2},
            "sliding_window",
        ),
        ("olmo2", {"clip_qkv": 8.0}, "clip_qkv"),
        ("granite", {"logits_scaling": 0}, "logits_scaling"),
        ("granite", {"residual_multiplier": "0.2"}, "residual_multiplier"),
    ],
)
def test_what_would_be_computed_differently_is_refused(tmp_path, name, values, named):
    save_family(tmp_path, *FAMILIES[name])
    change(tmp_path, **values)
    assert named in refusal(tmp_path)


@pytest.mark.parametrize("older", ["su", "yarn"])
def test_phi3_knows_longrope_by_its_first_names(tmp_path, older):
    save_family(tmp_path, *FAMILIES["phi4-mini, long factors"])
    new = load_model(tmp_path, CPU, torch.float32).ropes
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    settings = config.pop("rope_parameters")
    del settings["rope_type"]
    path.write_text(json.dumps(config | {"rope_scaling": settings | {"type": older}}))
    assert load_model(tmp_path, CPU, torch.float32).ropes == new


def test_yarn_reaches_beyond_what_config_json_names(tmp_path):
    """Qwen's documents say to add the scaling, and not to change max_position_embeddings."""
    kind, values = FAMILIES["qwen2"]
    trained = MAX_MODEL_LEN // 2
    scaling = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": trained}
    values = values | {"max_position_embeddings": trained, "rope_parameters": scaling}
    model = save_family(tmp_path, kind, values)
    prompts = random_prompts([trained + 50], VOCAB_SIZE)
    harness = Harness(tmp_path, max_model_len=MAX_MODEL_LEN)
    harness.generate(prompts, 10)
    check_against(harness, model, prompts)
    assert f"limit of {MAX_MODEL_LEN}" in refusal(tmp_path, max_model_len=MAX_MODEL_LEN + 1)
