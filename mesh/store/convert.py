"""A GGUF file into a model folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.store.gguf_tokenizer import write_tokenizer
from rostra.mesh.store.gguf_weights import DTYPE, total_bytes, write_weights
from rostra.mesh.store.progress import Progress


def convert_gguf(file: Path, folder: Path, progress: Progress) -> str:
    """Writes config.json, safetensors in float16 and the tokenizer's files into `folder`.

    Returns how the file was quantised, such as `Q4_1`. Only the Llama architecture is supported.
    Raises RostraError for every other file, and for a broken one.
    """
    model = GgufModel(file)
    config = llama_config(model)
    with progress.task(f"Converting {file.name}", total_bytes(model)) as task:
        write_tokenizer(model, folder)
        write_weights(model, folder, task)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return model.quantization


def llama_config(model: GgufModel) -> dict[str, Any]:
    """config.json of a LlamaForCausalLM."""
    _refuse_unsupported(model)
    heads = model.require("llama.attention.head_count", int)
    hidden_size = model.require("llama.embedding_length", int)
    head_dim = model.get("llama.attention.key_length", int) or hidden_size // heads
    rotated = model.get("llama.rope.dimension_count", int)
    if rotated not in (None, head_dim):
        raise RostraError(f"{model.path} rotates {rotated} of {head_dim} dimensions of each head.")
    embedding = model.shape("token_embd.weight")
    if embedding is None:
        raise RostraError(f"{model.path} lacks the tensor token_embd.weight.")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": model.shape("blk.0.attn_q.bias") is not None,
        "head_dim": head_dim,
        "hidden_act": "silu",
        "hidden_size": hidden_size,
        "intermediate_size": model.require("llama.feed_forward_length", int),
        "max_position_embeddings": model.require("llama.context_length", int),
        "mlp_bias": model.shape("blk.0.ffn_up.bias") is not None,
        "num_attention_heads": heads,
        "num_hidden_layers": model.require("llama.block_count", int),
        "num_key_value_heads": model.get("llama.attention.head_count_kv", int) or heads,
        "rms_norm_eps": _shortest(model.require("llama.attention.layer_norm_rms_epsilon", float)),
        "rope_theta": model.get("llama.rope.freq_base", float) or 10000.0,
        "tie_word_embeddings": model.shape("output.weight") is None,
        "torch_dtype": DTYPE.name,
        "vocab_size": embedding[0],
    }
    for name in ("bos_token_id", "eos_token_id"):
        index = model.get(f"tokenizer.ggml.{name}", int)
        if index is not None:
            config[name] = index
    return config


def _refuse_unsupported(model: GgufModel) -> None:
    scaling = model.get("llama.rope.scaling.type", str)
    if scaling not in (None, "none"):
        raise RostraError(
            f"{model.path} has rotary embeddings scaled by {scaling!r}, which is not supported; "
            "use the model's safetensors instead."
        )
    if model.get("llama.expert_count", int):
        raise RostraError(f"{model.path} is a mixture of experts, which is not supported.")


def _shortest(value: float) -> float:
    """GGUF stores float32: 1e-05 comes back as 9.99999974737875e-06."""
    return float(f"{value:.7g}")
