"""Small random checkpoints of the dense families, saved by transformers: what each may vary."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from model_checkpoints import VOCAB_SIZE, save_random
from transformers import (
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

MAX_MODEL_LEN = 256
"""At which the tests run the engine."""

_PHI_PAIRS = 6
_LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0 + 0.05 * i for i in range(_PHI_PAIRS)],
    "long_factor": [1.3 + 0.4 * i for i in range(_PHI_PAIRS)],
}
_PHI4_MINI = {
    "rope_parameters": _LONGROPE,
    "partial_rotary_factor": 0.75,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}

FAMILIES: dict[str, tuple[type, dict[str, Any]]] = {
    "llama": (LlamaConfig, {"num_key_value_heads": 4}),
    "mistral": (MistralConfig, {"num_key_value_heads": 2, "sliding_window": 24}),
    "mistral, full attention, wide heads, tied": (
        MistralConfig,
        {
            "num_key_value_heads": 1,
            "sliding_window": None,
            "head_dim": 32,
            "tie_word_embeddings": True,
        },
    ),
    "qwen2": (Qwen2Config, {"num_key_value_heads": 2}),
    "qwen2, last layers with a window, tied": (
        Qwen2Config,
        {
            "num_key_value_heads": 4,
            "use_sliding_window": True,
            "sliding_window": 20,
            "max_window_layers": 1,
            "tie_word_embeddings": True,
        },
    ),
    "qwen2, layers named, yarn": (
        Qwen2Config,
        {
            "num_key_value_heads": 1,
            "use_sliding_window": True,
            "sliding_window": 31,
            "layer_types": ["sliding_attention", "full_attention"],
            "rope_parameters": _YARN,
        },
    ),
    "qwen3": (Qwen3Config, {"num_key_value_heads": 2, "head_dim": 32}),
    "qwen3, biased, window, tied": (
        Qwen3Config,
        {
            "num_key_value_heads": 4,
            "head_dim": 16,
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": 17,
            "max_window_layers": 0,
            "tie_word_embeddings": True,
        },
    ),
    "phi3": (Phi3Config, {"num_key_value_heads": 4, "sliding_window": 24}),
    "phi4": (Phi3Config, {"num_key_value_heads": 2}),
    "phi4-mini, short factors": (
        Phi3Config,
        _PHI4_MINI | {"original_max_position_embeddings": MAX_MODEL_LEN},
    ),
    "phi4-mini, long factors": (Phi3Config, _PHI4_MINI | {"original_max_position_embeddings": 32}),
    "smollm3": (SmolLM3Config, {"num_key_value_heads": 2, "no_rope_layer_interval": 2}),
    "smollm3, biased, window, untied": (
        SmolLM3Config,
        {
            "num_key_value_heads": 4,
            "no_rope_layers": [0, 1],
            "use_sliding_window": True,
            "sliding_window": 20,
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": False,
        },
    ),
    "olmo2": (Olmo2Config, {"num_key_value_heads": 4}),
    "olmo2, grouped, biased, tied": (
        Olmo2Config,
        {"num_key_value_heads": 1, "attention_bias": True, "tie_word_embeddings": True},
    ),
    "granite": (
        GraniteConfig,
        {
            "num_key_value_heads": 2,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.1,
            "residual_multiplier": 0.4,
            "logits_scaling": 2.0,
            "tie_word_embeddings": True,
        },
    ),
    "granite, biased, untied": (
        GraniteConfig,
        {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True},
    ),
}

LLAMA_ROPES: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "yarn": _YARN,
    "yarn, mscale": _YARN | {"mscale": 1.0, "mscale_all_dim": 0.5, "truncate": False},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "longrope, short factors": {
        "rope_type": "longrope",
        "original_max_position_embeddings": MAX_MODEL_LEN,
        "short_factor": [1.0 + 0.1 * i for i in range(8)],
        "long_factor": [2.0 + i for i in range(8)],
    },
    "longrope, long factors": {
        "rope_type": "longrope",
        "original_max_position_embeddings": 32,
        "short_factor": [1.0 + 0.1 * i for i in range(8)],
        "long_factor": [2.0 + i for i in range(8)],
    },
    "proportional": {"rope_type": "proportional", "factor": 2.0, "partial_rotary_factor": 0.5},
}


def save_family(folder: Path, kind: type, values: dict[str, Any]) -> PreTrainedModel:
    """A checkpoint of the configuration class `kind`: see `save_random`."""
    settings = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2 * MAX_MODEL_LEN,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    # A configuration changes the dictionaries that it is given.
    return save_random(folder, kind(**copy.deepcopy(settings | values)))
