"""Small random checkpoints of Gemma 2 and 3, saved by transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

VOCAB_SIZE = 211

COMMON: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 2048,
    "sliding_window": 24,
    "query_pre_attn_scalar": 20,
}
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 50_000.0}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma2": ("gemma2", {"num_hidden_layers": 4}),
    "gemma2, low caps": (
        "gemma2",
        {
            "num_hidden_layers": 2,
            "attn_logit_softcapping": 1.5,
            "final_logit_softcapping": 4.0,
            "num_key_value_heads": 1,
        },
    ),
    "gemma2, no caps, untied, listed layers": (
        "gemma2",
        {
            "num_hidden_layers": 3,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "tie_word_embeddings": False,
            "attention_bias": True,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        },
    ),
    "gemma3": ("gemma3", {"num_hidden_layers": 7, "num_key_value_heads": 1}),
    "gemma3, scaled, capped": (
        "gemma3",
        {
            "num_hidden_layers": 3,
            "final_logit_softcapping": 5.0,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": LINEAR,
                "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
            },
        },
    ),
    "gemma3, yarn, odd heads": (
        "gemma3",
        {
            "num_hidden_layers": 2,
            "head_dim": 20,
            "num_key_value_heads": 4,
            "layer_types": ["full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "rope_theta": 10_000.0,
                    "original_max_position_embeddings": 512,
                },
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            },
        },
    ),
}


def save_gemma(folder: Path, name: str, seed: int = 0, **changes: Any) -> Any:
    """The model that was saved, in float32. Its caps and windows all have something to do."""
    family, shape = SHAPES[name]
    kinds: dict[str, tuple[Any, Any]] = {
        "gemma2": (Gemma2Config, Gemma2ForCausalLM),
        "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM),
    }
    make_config, make_model = kinds[family]
    torch.manual_seed(seed)
    config = make_config(**(COMMON | shape | changes), attn_implementation="eager")
    model = make_model(config).float().eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:
                parameter.uniform_(-0.5, 0.5)
            elif "embed_tokens" in parameter_name:
                # The head's too, where they are tied.
                parameter.normal_(0.0, 0.6)
            else:
                parameter.normal_(0.0, 2.0 * parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    return model


def change_config(folder: Path, *removed: str, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: config[key] for key in config if key not in removed}))
