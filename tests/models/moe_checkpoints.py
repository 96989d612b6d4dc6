"""Small random checkpoints of mixtures of experts, saved by transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from transformers import (
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

VOCAB_SIZE = 211

MIXTURES: dict[str, tuple[type, dict[str, Any]]] = {
    "mixtral": (MixtralForCausalLM, {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "mixtral, one of many, window, wide heads": (
        MixtralForCausalLM,
        {
            "num_local_experts": 12,
            "num_experts_per_tok": 1,
            "sliding_window": 24,
            "head_dim": 32,
            "num_key_value_heads": 4,
        },
    ),
    "mixtral, all experts, tied": (
        MixtralForCausalLM,
        {
            "num_local_experts": 3,
            "num_experts_per_tok": 3,
            "num_key_value_heads": 1,
            "intermediate_size": 72,
            "tie_word_embeddings": True,
        },
    ),
    "qwen3": (
        Qwen3MoeForCausalLM,
        {"num_experts": 8, "num_experts_per_tok": 3, "norm_topk_prob": True},
    ),
    "qwen3, dense layers, bias": (
        Qwen3MoeForCausalLM,
        {
            "num_experts": 5,
            "num_experts_per_tok": 2,
            "mlp_only_layers": [0],
            "decoder_sparse_step": 2,
            "num_hidden_layers": 4,
            "attention_bias": True,
            "head_dim": 32,
        },
    ),
    "qwen3, window": (
        Qwen3MoeForCausalLM,
        {
            "num_experts": 16,
            "num_experts_per_tok": 4,
            "use_sliding_window": True,
            "sliding_window": 20,
            "moe_intermediate_size": 30,
        },
    ),
}
_CONFIGS = {MixtralForCausalLM: MixtralConfig, Qwen3MoeForCausalLM: Qwen3MoeConfig}


def save_mixture(
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    saving: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> PreTrainedModel:
    """The model that was saved, in float32. `saving` goes to `save_pretrained`, `changes` to the
    config.

    Weights are larger than a model starts training with, so that logits are far apart and neither
    the greedy choice nor the experts are decided by rounding.
    """
    family, shape = MIXTURES[name]
    settings = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if family is Qwen3MoeForCausalLM:
        settings["moe_intermediate_size"] = 48
    torch.manual_seed(seed)
    model = family(_CONFIGS[family](**(settings | shape | changes))).float().eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.dim() == 1 and "norm" in parameter_name:
                parameter.uniform_(0.5, 1.5)
            elif "embed_tokens" in parameter_name or "lm_head" in parameter_name:
                parameter.normal_(0.0, 1.0)
            else:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    # The others are products of PyTorch's that do not take every size.
    model.set_experts_implementation("eager")
    model.save_pretrained(folder, **saving)
    return model
