"""Llama weights from GGUF to safetensors, under the names and in the order of the hub."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import gguf.quants
import numpy as np
from gguf import ReaderTensor
from safetensors.numpy import save_file

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel, shape_of
from rostra.mesh.store.progress import ProgressTask
from rostra.mesh.store.safetensors_files import INDEX_FILE, WEIGHTS_FILE

DTYPE = np.dtype(np.float16)
"""Keeps 11 bits, which is finer than any quantisation, in half the space of float32."""
SHARD_BYTES = 4 * 2**30
"""About how much is held in memory at once."""

_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")


def total_bytes(model: GgufModel) -> int:
    return sum(_bytes_of(tensor) for tensor in model.tensors)


def write_weights(
    model: GgufModel, folder: Path, task: ProgressTask, shard_bytes: int = SHARD_BYTES
) -> None:
    """Writes model.safetensors, or several files and their index if there is more than
    `shard_bytes`. Advances `task` by bytes written, `total_bytes` in all.

    Raises RostraError for a tensor that does not belong to a plain Llama model.
    """
    shards = list(_shards(model, shard_bytes))
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = (
            WEIGHTS_FILE
            if len(shards) == 1
            else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        )
        arrays = {}
        for tensor in shard:
            name = hub_name(tensor.name, model)
            arrays[name] = convert_tensor(tensor, model)
            weight_map[name] = file
            task.advance(_bytes_of(tensor))
        save_file(arrays, folder / file, metadata={"format": "pt"})
        # The library makes files that only their owner can read.
        (folder / file).chmod(0o644)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total_bytes(model)}, "weight_map": weight_map}
        (folder / INDEX_FILE).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def hub_name(name: str, model: GgufModel) -> str:
    """The name the tensor has in a safetensors file of the Llama family."""
    if name in _OUTER:
        return _OUTER[name]
    block = _BLOCK.fullmatch(name)
    if block and block[2] in _INNER:
        return f"model.layers.{block[1]}.{_INNER[block[2]]}.{block[3]}"
    if name == "rope_freqs.weight":
        raise RostraError(
            f"{model.path} has scaled rotary embeddings, whose settings GGUF does not keep; "
            "use the model's safetensors instead."
        )
    raise RostraError(
        f"{model.path} has a tensor {name!r} that a plain Llama model does not; "
        "use the model's safetensors instead."
    )


def convert_tensor(tensor: ReaderTensor, model: GgufModel) -> np.ndarray:
    """Dequantised, rows first, query and key rows in the hub's order; dtype `DTYPE`."""
    try:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    except (NotImplementedError, ValueError) as error:
        raise RostraError(
            f"{model.path}: tensor {tensor.name!r} of type {tensor.tensor_type.name} "
            f"cannot be read ({error})."
        ) from error
    values = values.reshape(shape_of(tensor))
    if ".attn_q." in tensor.name:
        values = _unpermute(values, model.require("llama.attention.head_count", int))
    elif ".attn_k." in tensor.name:
        heads = model.get("llama.attention.head_count_kv", int)
        values = _unpermute(values, heads or model.require("llama.attention.head_count", int))
    with np.errstate(over="ignore"):
        converted = values.astype(DTYPE)
    if not np.isfinite(converted).all():
        raise RostraError(
            f"{model.path}: tensor {tensor.name!r} holds values that are not finite in {DTYPE}."
        )
    return np.ascontiguousarray(converted)


def _unpermute(values: np.ndarray, heads: int) -> np.ndarray:
    """GGUF interleaves the two halves that rotary embedding pairs; the hub keeps them apart.

    Rows are (head, pair, half) there and (head, half, pair) here.
    """
    pairs = values.shape[0] // heads // 2
    return values.reshape(heads, pairs, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _bytes_of(tensor: ReaderTensor) -> int:
    return math.prod(shape_of(tensor)) * DTYPE.itemsize


def _shards(model: GgufModel, limit: int) -> Iterator[list[ReaderTensor]]:
    shard: list[ReaderTensor] = []
    size = 0
    for tensor in model.tensors:
        if shard and size + _bytes_of(tensor) > limit:
            yield shard
            shard, size = [], 0
        shard.append(tensor)
        size += _bytes_of(tensor)
    yield shard
