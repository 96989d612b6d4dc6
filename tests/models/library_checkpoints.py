"""Small random checkpoints of architectures that transformers computes, saved by transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

VOCAB_SIZE = 211

_SHARED: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GROUPED: dict[str, Any] = {"num_key_value_heads": 2}
_EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2}

SERVED: dict[str, dict[str, Any]] = {
    # rotates a quarter of each head; attention and MLP side by side
    "GPTNeoX": {"rotary_pct": 0.25},
    # learned positions; linear maps stored the other way round
    "GPT2": {"n_inner": 96},
    # one key-value head
    "GPTBigCode": {"n_inner": 96, "multi_query": True},
    # learned positions from 2 on; embeddings narrower than the model
    "OPT": {"ffn_dim": 96, "word_embed_proj_dim": 32, "dropout": 0.0},
    "BioGpt": {},
    "Phi": {"partial_rotary_factor": 0.5, **_GROUPED},
    "StableLm": {"use_qkv_bias": True, "qk_layernorm": True, **_GROUPED},
    "Starcoder2": {"sliding_window": 24, **_GROUPED},
    # rotates neighbours against each other; scales its logits
    "Cohere": {"logit_scale": 0.25, "use_qk_norm": True, **_GROUPED},
    # windows in three layers of four, and no positions in the fourth
    "Cohere2": {"sliding_window": 24, **_GROUPED},
    "Glm4": {"head_dim": 16, **_GROUPED},
    "Nemotron": {"head_dim": 16, **_GROUPED},
    # caps of scores and of logits, and windows
    "VaultGemma": {"head_dim": 16, "sliding_window": 24, "attn_logit_softcapping": 1.0, **_GROUPED},
    # what it calls its decoder is its output head
    "ModernBertDecoder": {"local_attention": 24, "classifier_dropout": 0.0},
    # experts, stored one by one and computed as one tensor
    "Olmoe": {**_EXPERTS, **_GROUPED},
    # a frequency of rotation that follows the length, beyond what is served
    "SeedOss": {
        "head_dim": 16,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
        **_GROUPED,
    },
}
"""What each config has beyond those of all."""

_LATENT: dict[str, Any] = {
    "kv_lora_rank": 16,
    "q_lora_rank": 32,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "n_routed_experts": 4,
    "moe_intermediate_size": 32,
    "n_group": 1,
    "topk_group": 1,
}
_LONG: dict[str, Any] = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 8,
    "long_factor": [2.0] * 8,
    "short_mscale": 1.0,
    "long_mscale": 1.2,
    "original_max_position_embeddings": 128,
}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "Mamba": ({"state_size": 8}, "recurrent or convolutional state"),
    "Jamba": (
        {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, **_GROUPED},
        "recurrent or convolutional state",
    ),
    "Lfm2": (
        {"layer_types": ["conv", "full_attention", "conv", "full_attention"], **_GROUPED},
        "layers of type conv",
    ),
    "Falcon": ({}, "not go through transformers' attention interface"),
    "Bloom": ({}, "not go through transformers' attention interface"),
    "Mpt": ({"d_model": 64, "max_seq_len": 512}, "not go through transformers' attention"),
    "GPTJ": ({"rotary_dim": 8}, "not go through transformers' attention interface"),
    "GptOss": (
        {"head_dim": 16, "num_local_experts": 4, "sliding_window": 24, **_GROUPED},
        "attention sinks",
    ),
    "DeepseekV3": ({"num_key_value_heads": 4, **_LATENT}, "its keys have 16 numbers a head"),
    "Llama4": (
        {
            "attention_chunk_size": 32,
            "num_local_experts": 2,
            "intermediate_size_mlp": 96,
            "head_dim": 16,
            **_GROUPED,
        },
        "how far back its tokens attend depends on where they stand",
    ),
    "Bart": (
        {"d_model": 64, "decoder_layers": 2, "decoder_attention_heads": 4},
        "an encoder-decoder",
    ),
    "Doge": (_GROUPED, "computes with the masks of its attention"),
    "DiffLlama": (_GROUPED, "layer 0 attends more than once"),
    # numbers positions from 2 on when it is not told them
    "Roberta": ({"is_decoder": True}, "differ by"),
    "Phimoe": (
        {"num_local_experts": 4, "rope_parameters": _LONG, **_GROUPED},
        "--max-model-len 128 keeps below that",
    ),
}
"""What each config has beyond those of all, and the reason."""


def save_library_checkpoint(folder: Path, name: str, **values: Any) -> PreTrainedModel:
    """The model that was saved, in float32; its logits are far apart, so that the greedy choice is
    not decided by rounding."""
    config_class = getattr(transformers, _CONFIGS.get(name, f"{name}Config"))
    architecture = getattr(transformers, _ARCHITECTURES.get(name, f"{name}ForCausalLM"))
    beyond = SERVED[name] if name in SERVED else REFUSED[name][0]
    own = {**_SHARED, **beyond, **values}
    torch.manual_seed(0)
    model = architecture(config_class(**own)).float().eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                spread = (0.5, 1.5) if "norm" in parameter_name else (-0.2, 0.2)
                parameter.uniform_(*spread)
            elif "emb" in parameter_name or "wte" in parameter_name or "head" in parameter_name:
                parameter.normal_(0.0, 0.5)
            else:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    return model


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


_CONFIGS = {"Llama4": "Llama4TextConfig"}
_ARCHITECTURES = {"GPT2": "GPT2LMHeadModel"}
