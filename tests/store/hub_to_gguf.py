"""Tiny models of each architecture, saved by transformers and written as GGUF by gguf-py's table of
names: the way that llama.cpp's converter goes, and the way back to check it against."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

LAYERS = 6
HIDDEN, HEADS, KV_HEADS, INNER = 64, 4, 2, 96
PERMUTED = ("llama", "smollm3", "granite")
"""Architectures whose rotary embeddings pair neighbouring rows in llama.cpp."""

MODELS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "mistral": {"model_type": "mistral", "sliding_window": None, "head_dim": 32},
    "mixtral": {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": {"model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": {"model_type": "qwen3", "head_dim": 128},
    "qwen3moe": {
        "model_type": "qwen3_moe",
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "head_dim": 32,
        "norm_topk_prob": True,
    },
    "gemma2": {
        "model_type": "gemma2",
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "sliding_window": 8,
        "attn_logit_softcapping": 20.0,
        "final_logit_softcapping": 10.0,
        "tie_word_embeddings": True,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "sliding_window": 8,
        "tie_word_embeddings": True,
    },
    "phi3": {"model_type": "phi3", "sliding_window": None, "pad_token_id": 0},
    "smollm3": {"model_type": "smollm3", "pad_token_id": 0},
    "olmo2": {"model_type": "olmo2"},
    "granite": {
        "model_type": "granite",
        "attention_multiplier": 0.3,
        "embedding_multiplier": 2.0,
        "residual_multiplier": 0.5,
        "logits_scaling": 3.0,
    },
}
GGUF_NAMES = {"mistral": "llama", "mixtral": "llama"}


def make_model(folder: Path, kind: str, vocab_size: int, **settings: Any) -> PreTrainedModel:
    """A random model, saved to `folder` in float32."""
    shared = {
        "vocab_size": vocab_size,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
    }
    torch.manual_seed(5)
    config = AutoConfig.for_model(**(shared | MODELS[kind] | settings))
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 and "norm" in name:
                parameter.uniform_(-0.5, 0.5)
            else:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    return model


def architecture_of(kind: str) -> str:
    return GGUF_NAMES.get(kind, kind)


def hub_tensors(folder: Path) -> dict[str, np.ndarray]:
    return {
        name: tensor.numpy()
        for file in folder.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


def gguf_tensors(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """The saved model's weights under gguf-py's names and in llama.cpp's order."""
    architecture = architecture_of(kind)
    known = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(known[architecture], LAYERS)
    made: dict[str, np.ndarray] = {}
    experts: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
    for name, values in hub_tensors(folder).items():
        expert = re.search(r"\.experts\.(\d+)\.", name)
        if expert:
            merged = name.replace(expert[0], ".experts.").replace(
                "model.layers", "layers" if kind == "mixtral" else "model.layers"
            )
            merged = merged.replace("block_sparse_moe", "feed_forward")
            experts[merged][int(expert[1])] = values
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert found is not None, name
        made[found] = values
        if architecture in PERMUTED and re.search(r"[qk]_proj\.", name):
            made[found] = permute(values, HEADS if "q_proj" in name else KV_HEADS)
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            made[found] = values + np.float32(1)
    for name, parts in experts.items():
        found = names.get_name(name, try_suffixes=(".weight",))
        assert found is not None, name
        made[found] = np.stack([parts[index] for index in sorted(parts)])
    return made


def permute(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows (head, half, pair) as (head, pair, half)."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def metadata(model: PreTrainedModel, kind: str) -> dict[str, Any]:
    """The keys that llama.cpp's converter writes for such a model."""
    config, name = model.config, architecture_of(kind)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    keys: dict[str, Any] = {
        "block_count": LAYERS,
        "context_length": config.max_position_embeddings,
        "embedding_length": HIDDEN,
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": float(rope["rope_theta"]),
    }
    if getattr(config, "head_dim", None) and kind != "granite":
        keys |= {
            "attention.key_length": config.head_dim,
            "attention.value_length": config.head_dim,
        }
    own = {
        "mixtral": {
            "expert_count": "num_local_experts",
            "expert_used_count": "num_experts_per_tok",
        },
        "qwen3moe": {
            "expert_count": "num_experts",
            "expert_used_count": "num_experts_per_tok",
            "expert_feed_forward_length": "moe_intermediate_size",
        },
        "gemma2": {
            "attention.sliding_window": "sliding_window",
            "attn_logit_softcapping": "attn_logit_softcapping",
            "final_logit_softcapping": "final_logit_softcapping",
        },
        "gemma3": {"attention.sliding_window": "sliding_window"},
        "granite": {
            "attention.scale": "attention_multiplier",
            "embedding_scale": "embedding_multiplier",
            "residual_scale": "residual_multiplier",
            "logit_scale": "logits_scaling",
        },
    }.get(kind, {})
    keys |= {key: getattr(config, field) for key, field in own.items()}
    if kind == "phi3":
        keys |= {
            "rope.dimension_count": HIDDEN // HEADS,
            "rope.scaling.original_context_length": config.original_max_position_embeddings,
            "attention.sliding_window": 0,
        }
    return {f"{name}.{key}": value for key, value in keys.items()}
