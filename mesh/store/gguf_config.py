"""config.json from a GGUF file's metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.store.gguf_names import Architecture
from rostra.mesh.store.gguf_rope import rope_scaling, shortest

_DEFAULT_THETA = 10_000.0
_LARGEST_GEMMA = {"gemma2": 46, "gemma3": 62}
"""Layers of the models with 27 billion weights, which scale attention by another width."""
_PERIOD = {"gemma2": 2, "gemma3": 6}
"""Of layers: the last of each sees everything, the others a window."""
_SMOLLM3_PERIOD = 4
"""Of layers: the last of each has no positions."""


def hub_config(model: GgufModel, architecture: Architecture) -> dict[str, Any]:
    """config.json of the hub's model. Raises RostraError for what the file does not say, or says
    in a way that is not supported."""
    keys = _Keys(model)
    heads = keys.require("attention.head_count", int)
    hidden_size = keys.require("embedding_length", int)
    head_dim = keys.get("attention.key_length", int) or hidden_size // heads
    if keys.get("attention.value_length", int) not in (None, head_dim):
        raise RostraError(f"{model.path} has values of another width than its keys.")
    embedding = model.shape("token_embd.weight")
    if embedding is None:
        raise RostraError(f"{model.path} lacks the tensor token_embd.weight.")
    theta = keys.get("rope.freq_base", float) or _DEFAULT_THETA
    rotated = keys.get("rope.dimension_count", int) or head_dim
    config: dict[str, Any] = {
        "architectures": [architecture.hub],
        "model_type": architecture.model_type,
        "head_dim": head_dim,
        "hidden_size": hidden_size,
        "intermediate_size": keys.require("feed_forward_length", int),
        "max_position_embeddings": keys.require("context_length", int),
        "num_attention_heads": heads,
        "num_hidden_layers": keys.require("block_count", int),
        "num_key_value_heads": keys.get("attention.head_count_kv", int) or heads,
        "rms_norm_eps": shortest(keys.require("attention.layer_norm_rms_epsilon", float)),
        "rope_theta": shortest(theta),
        "tie_word_embeddings": model.shape("output.weight") is None,
        "torch_dtype": "float16",
        "vocab_size": embedding[0],
    }
    if rotated != head_dim and model.architecture != "phi3":
        raise RostraError(f"{model.path} rotates {rotated} of {head_dim} dimensions of each head.")
    scaling = rope_scaling(model, rotated, theta)
    if scaling is not None:
        config["rope_scaling"] = scaling
    for name in ("bos_token_id", "eos_token_id"):
        index = model.get(f"tokenizer.ggml.{name}", int)
        if index is not None:
            config[name] = index
    # Or transformers would take the one of the family's first model.
    config["pad_token_id"] = model.get("tokenizer.ggml.padding_token_id", int)
    own = _OWN.get(architecture.model_type)
    return config if own is None else config | own(keys, config)


class _Keys:
    """The metadata's keys without the name of the architecture, which they begin with."""

    def __init__(self, model: GgufModel) -> None:
        self.model = model

    def get(self, key: str, kind: type[Any]) -> Any:
        return self.model.get(f"{self.model.architecture}.{key}", kind)

    def require(self, key: str, kind: type[Any]) -> Any:
        return self.model.require(f"{self.model.architecture}.{key}", kind)

    def has(self, tensor: str) -> bool:
        return self.model.shape(tensor) is not None


def _biases(keys: _Keys) -> dict[str, Any]:
    return {
        "attention_bias": keys.has("blk.0.attn_q.bias"),
        "mlp_bias": keys.has("blk.0.ffn_up.bias"),
        "hidden_act": "silu",
    }


def _llama(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    return _biases(keys)


def _mixtral(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "hidden_act": "silu",
        "num_local_experts": keys.require("expert_count", int),
        "num_experts_per_tok": keys.require("expert_used_count", int),
        "sliding_window": None,
    }


def _qwen2(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    return {"hidden_act": "silu", "use_sliding_window": False}


def _qwen3(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    bias = keys.has("blk.0.attn_q.bias")
    return {"hidden_act": "silu", "use_sliding_window": False, "attention_bias": bias}


def _qwen3_moe(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    return _qwen3(keys, config) | {
        "moe_intermediate_size": keys.require("expert_feed_forward_length", int),
        "num_experts": keys.require("expert_count", int),
        "num_experts_per_tok": keys.require("expert_used_count", int),
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def _gemma(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    layers, architecture = config["num_hidden_layers"], keys.model.architecture
    window = keys.get("attention.sliding_window", int)
    period = _PERIOD[architecture] if window else 1
    scaled_by = config["head_dim"]
    if layers == _LARGEST_GEMMA[architecture]:
        scaled_by = config["hidden_size"] // config["num_attention_heads"]
    kinds = ("sliding_attention", "full_attention")
    return {
        "attention_bias": False,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": scaled_by,
        "sliding_window": window,
        "layer_types": [kinds[(layer + 1) % period == 0] for layer in range(layers)],
        "attn_logit_softcapping": keys.get("attn_logit_softcapping", float),
        "final_logit_softcapping": keys.get("final_logit_softcapping", float),
    }


def _gemma3(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    theta = keys.get("rope.freq_base_swa", float) or _DEFAULT_THETA
    return _gemma(keys, config) | {"rope_local_base_freq": theta}


def _phi3(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    rotated = keys.get("rope.dimension_count", int) or config["head_dim"]
    original = keys.get("rope.scaling.original_context_length", int)
    return {
        "attention_bias": False,
        "hidden_act": "silu",
        "original_max_position_embeddings": original or config["max_position_embeddings"],
        "partial_rotary_factor": rotated / config["head_dim"],
        "sliding_window": keys.get("attention.sliding_window", int) or None,
    }


def _smollm3(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    layers = range(1, config["num_hidden_layers"] + 1)
    return _biases(keys) | {
        "no_rope_layers": [int(layer % _SMOLLM3_PERIOD != 0) for layer in layers],
        "use_sliding_window": False,
    }


def _granite(keys: _Keys, config: dict[str, Any]) -> dict[str, Any]:
    scales = {
        "attention_multiplier": ("attention.scale", config["head_dim"] ** -0.5),
        "embedding_multiplier": ("embedding_scale", 1.0),
        "logits_scaling": ("logit_scale", 1.0),
        "residual_multiplier": ("residual_scale", 1.0),
    }
    found = {name: keys.get(key, float) or default for name, (key, default) in scales.items()}
    return _biases(keys) | {name: shortest(value) for name, value in found.items()}


_OWN: dict[str, Callable[[_Keys, dict[str, Any]], dict[str, Any]]] = {
    "llama": _llama,
    "mixtral": _mixtral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "gemma2": _gemma,
    "gemma3_text": _gemma3,
    "phi3": _phi3,
    "smollm3": _smollm3,
    "olmo2": _qwen3,
    "granite": _granite,
}
"""What only some families have, by model_type."""
