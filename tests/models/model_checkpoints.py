"""Small random checkpoints, saved by transformers: those of Llama, and of any configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, PreTrainedModel

VOCAB_SIZE = 211

SHAPES: dict[str, dict[str, Any]] = {
    "multi-head": {"num_attention_heads": 4, "num_key_value_heads": 4, "hidden_size": 64},
    "grouped, tied": {
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "hidden_size": 72,
        "tie_word_embeddings": True,
    },
    "multi-query, biased": {
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "hidden_size": 64,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "wide heads": {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 48,
        "head_dim": 32,
    },
    "llama3 scaling": {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 128,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 5000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    },
    "linear scaling": {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 64,
        "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    },
}


def save_checkpoint(
    folder: Path, shape: dict[str, Any], seed: int = 0, max_shard_size: str = "1GB"
) -> PreTrainedModel:
    """A Llama model of this shape: what was saved, in float32."""
    settings = {
        "vocab_size": VOCAB_SIZE,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    config = LlamaConfig(**(settings | shape))
    return save_random(folder, config, seed=seed, max_shard_size=max_shard_size)


def save_random(
    folder: Path, config: PreTrainedConfig, *, seed: int = 0, **saving: Any
) -> PreTrainedModel:
    """The causal model that was saved, in float32. `saving` goes to `save_pretrained`.

    Weights are larger than a model starts training with, so that logits are far apart and the
    greedy choice is not decided by rounding.
    """
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 and "norm" in name:
                parameter.uniform_(0.5, 1.5)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.normal_(0.0, 1.0)
            else:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder, **saving)
    return model
