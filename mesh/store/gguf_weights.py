"""Weights from GGUF to safetensors, under the names and in the order of the hub."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import gguf.quants
import numpy as np
import torch
from gguf import GGMLQuantizationType, ReaderTensor
from safetensors.torch import save_file
from torch import Tensor

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel, shape_of
from rostra.mesh.store.gguf_names import Architecture, architecture_of, hub_names
from rostra.mesh.store.progress import ProgressTask
from rostra.mesh.store.safetensors_files import INDEX_FILE, WEIGHTS_FILE

SHARD_BYTES = 4 * 2**30
"""About how much is held in memory at once."""
_NARROW = {GGMLQuantizationType.F16: torch.float16, GGMLQuantizationType.BF16: torch.bfloat16}


def total_bytes(model: GgufModel) -> int:
    """About as much as the converted model has."""
    return sum(_bytes_of(tensor) for tensor in model.tensors)


def write_weights(
    model: GgufModel, folder: Path, task: ProgressTask, shard_bytes: int = SHARD_BYTES
) -> None:
    """Writes model.safetensors, or several files and their index if there is more than
    `shard_bytes`. Advances `task` by bytes written, `total_bytes` in all.

    What was quantised is written in float16, which keeps 11 bits and is finer than any
    quantisation; the rest as narrow as it goes without a loss. Raises RostraError for a tensor that
    does not belong to a model of this architecture, or holds values that are not finite.
    """
    architecture = architecture_of(model)
    shards = list(_shards(model, shard_bytes))
    weight_map: dict[str, str] = {}
    size = 0
    for number, shard in enumerate(shards, start=1):
        file = (
            WEIGHTS_FILE
            if len(shards) == 1
            else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        )
        tensors: dict[str, Tensor] = {}
        for tensor in shard:
            tensors |= convert_tensor(tensor, model, architecture)
            task.advance(_bytes_of(tensor))
        save_file(tensors, folder / file, metadata={"format": "pt"})
        # The library makes files that only their owner can read.
        (folder / file).chmod(0o644)
        weight_map |= dict.fromkeys(tensors, file)
        size += sum(tensor.nbytes for tensor in tensors.values())
    if len(shards) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": weight_map}
        (folder / INDEX_FILE).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def convert_tensor(
    tensor: ReaderTensor, model: GgufModel, architecture: Architecture
) -> dict[str, Tensor]:
    """Dequantised, rows first, by the hub's names and in its order."""
    names = hub_names(tensor.name, model, architecture)
    if not names:
        return {}
    shape = shape_of(tensor)
    if len(shape) < 3:
        return {names[0]: _convert(tensor, tensor.data, shape, model, architecture)}
    if shape[0] != len(names):
        raise RostraError(
            f"{model.path}: tensor {tensor.name!r} holds {shape[0]} experts, not {len(names)}."
        )
    return {
        name: _convert(tensor, tensor.data[expert], shape[1:], model, architecture)
        for expert, name in enumerate(names)
    }


def dequantise(tensor: ReaderTensor, data: np.ndarray, model: GgufModel) -> np.ndarray:
    """float32. Raises RostraError for a type that cannot be read."""
    try:
        return gguf.quants.dequantize(data, tensor.tensor_type).astype(np.float32, copy=False)
    except (NotImplementedError, ValueError, KeyError) as error:
        raise RostraError(
            f"{model.path}: tensor {tensor.name!r} of type {tensor.tensor_type.name} "
            f"cannot be read ({error})."
        ) from error


def _convert(
    tensor: ReaderTensor,
    data: np.ndarray,
    shape: tuple[int, ...],
    model: GgufModel,
    architecture: Architecture,
) -> Tensor:
    values = dequantise(tensor, data, model).reshape(shape)
    if architecture.permuted and (".attn_q." in tensor.name or ".attn_k." in tensor.name):
        values = _unpermute(values, _heads(tensor.name, model))
    if architecture.norm_offset and tensor.name.endswith("norm.weight"):
        values = values - np.float32(architecture.norm_offset)
    # A copy of what is only a view of the file, which is closed in the end.
    wide = torch.from_numpy(np.require(values, requirements=["C", "W"]))
    narrow = _narrowed(wide, tensor.tensor_type)
    if not all(map(math.isfinite, torch.stack(torch.aminmax(narrow)).tolist())):
        raise RostraError(
            f"{model.path}: tensor {tensor.name!r} holds values that are not finite in "
            f"{str(narrow.dtype).removeprefix('torch.')}."
        )
    return narrow


def _narrowed(values: Tensor, kind: GGMLQuantizationType) -> Tensor:
    if kind != GGMLQuantizationType.F32:
        return values.to(_NARROW.get(kind, torch.float16))
    for dtype in (torch.float16, torch.bfloat16):
        narrow = values.to(dtype)
        if torch.equal(narrow.float(), values):
            return narrow
    return values


def _heads(name: str, model: GgufModel) -> int:
    heads = model.require(f"{model.architecture}.attention.head_count", int)
    if ".attn_k." in name:
        return model.get(f"{model.architecture}.attention.head_count_kv", int) or heads
    return heads


def _unpermute(values: np.ndarray, heads: int) -> np.ndarray:
    """GGUF interleaves the two halves that rotary embedding pairs; the hub keeps them apart.

    Rows are (head, pair, half) there and (head, half, pair) here.
    """
    pairs = values.shape[0] // heads // 2
    return values.reshape(heads, pairs, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _bytes_of(tensor: ReaderTensor) -> int:
    width = 4 if tensor.tensor_type == GGMLQuantizationType.F32 else 2
    return math.prod(shape_of(tensor)) * width


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
