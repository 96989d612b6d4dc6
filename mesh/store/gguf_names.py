"""What GGUF files and the hub call the same tensors, by architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel

_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}
_HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_GATED = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_PRE_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_POST_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_LLAMA = _PRE_NORMS | _ATTENTION | _GATED
_GEMMA_2 = (
    {"attn_norm": "input_layernorm", "ffn_norm": "pre_feedforward_layernorm"}
    | _POST_NORMS
    | _ATTENTION
    | _GATED
)
_ROPE_TENSORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""They go into config.json."""
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")


@dataclass(frozen=True)
class Architecture:
    """How the files of one kind of model differ from those on the hub."""

    hub: str
    """In `architectures` of config.json."""
    model_type: str
    inner: Mapping[str, str]
    """Names inside a block."""
    permuted: bool = False
    """Whether rows of queries and keys stand in pairs, as GGUF rotates those of Llama."""
    norm_offset: float = 0.0
    """What the files add to the weights of norms."""
    experts: Mapping[str, str] = field(default_factory=dict)
    """Of tensors that hold those of all experts; `{}` stands for the expert."""


LLAMA = Architecture("LlamaForCausalLM", "llama", _LLAMA, permuted=True)
MIXTRAL = Architecture(
    "MixtralForCausalLM",
    "mixtral",
    _PRE_NORMS | _ATTENTION | {"ffn_gate_inp": "block_sparse_moe.gate"},
    permuted=True,
    experts={
        "ffn_gate_exps": "block_sparse_moe.experts.{}.w1",
        "ffn_down_exps": "block_sparse_moe.experts.{}.w2",
        "ffn_up_exps": "block_sparse_moe.experts.{}.w3",
    },
)
ARCHITECTURES: dict[str, Architecture] = {
    "llama": LLAMA,
    "qwen2": Architecture("Qwen2ForCausalLM", "qwen2", _LLAMA),
    "qwen3": Architecture("Qwen3ForCausalLM", "qwen3", _LLAMA | _HEAD_NORMS),
    "qwen3moe": Architecture(
        "Qwen3MoeForCausalLM",
        "qwen3_moe",
        _PRE_NORMS | _ATTENTION | _HEAD_NORMS | {"ffn_gate_inp": "mlp.gate"},
        experts={
            "ffn_gate_exps": "mlp.experts.{}.gate_proj",
            "ffn_down_exps": "mlp.experts.{}.down_proj",
            "ffn_up_exps": "mlp.experts.{}.up_proj",
        },
    ),
    "gemma2": Architecture("Gemma2ForCausalLM", "gemma2", _GEMMA_2, norm_offset=1.0),
    "gemma3": Architecture(
        "Gemma3ForCausalLM", "gemma3_text", _GEMMA_2 | _HEAD_NORMS, norm_offset=1.0
    ),
    "phi3": Architecture(
        "Phi3ForCausalLM",
        "phi3",
        _PRE_NORMS
        | {
            "attn_qkv": "self_attn.qkv_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        },
    ),
    "smollm3": Architecture("SmolLM3ForCausalLM", "smollm3", _LLAMA, permuted=True),
    "olmo2": Architecture(
        "Olmo2ForCausalLM", "olmo2", _POST_NORMS | _ATTENTION | _HEAD_NORMS | _GATED
    ),
    "granite": Architecture("GraniteForCausalLM", "granite", _LLAMA, permuted=True),
}
"""By `general.architecture`."""


def architecture_of(model: GgufModel) -> Architecture:
    """Raises RostraError for one that cannot be converted."""
    found = ARCHITECTURES.get(model.architecture)
    if found is None:
        raise RostraError(
            f"{model.path} holds a model of architecture {model.architecture!r}; those that can be "
            f"converted are {', '.join(ARCHITECTURES)}. Use its safetensors instead."
        )
    experts = model.get(f"{model.architecture}.expert_count", int)
    return MIXTRAL if found is LLAMA and experts else found


def hub_names(name: str, model: GgufModel, architecture: Architecture) -> list[str]:
    """The names under which the hub keeps a tensor: several for one of all experts, none for one
    that becomes part of config.json.

    Raises RostraError for a tensor that does not belong to such a model.
    """
    if name in _OUTER:
        return [_OUTER[name]]
    if name in _ROPE_TENSORS:
        return []
    block = _BLOCK.fullmatch(name)
    if block:
        prefix, inner, kind = f"model.layers.{block[1]}", block[2], block[3]
        if inner in architecture.inner:
            return [f"{prefix}.{architecture.inner[inner]}.{kind}"]
        if inner in architecture.experts:
            count = model.require(f"{model.architecture}.expert_count", int)
            pattern = f"{prefix}.{architecture.experts[inner]}.{kind}"
            return [pattern.format(expert) for expert in range(count)]
    raise RostraError(
        f"{model.path} has a tensor {name!r} that a {architecture.hub} does not; "
        "use the model's safetensors instead."
    )
