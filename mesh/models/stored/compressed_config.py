"""What `quantization_config` says in the compressed-tensors format and in transformers' FP8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rostra.mesh.errors import RostraError
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.stored.compressed import PackedLayer, PlainLayer
from rostra.mesh.models.stored.quantised import CodedLayer, QuantisedCheckpoint

_FORMATS = (
    "pack-quantized",
    "int-quantized",
    "float-quantized",
    "naive-quantized",
    "mixed-precision",
    "dense",
)
_WORKING = "int of 4 and 8 bits, float of 8"
_IGNORED = (
    ".input_scale",
    ".input_zero_point",
    ".output_scale",
    ".output_zero_point",
    ".k_scale",
    ".v_scale",
    ".q_scale",
    ".activation_scale",
)
"""Of tensors that say how activations and caches were quantised, which here are not."""


def open_compressed(
    checkpoint: Checkpoint, settings: Mapping[str, Any], where: str
) -> QuantisedCheckpoint:
    """Raises RostraError, which begins with `where`, for a variant that is not supported."""
    _require_format(settings.get("format", "dense"), where)
    sparsity = settings.get("sparsity_config")
    if isinstance(sparsity, dict) and sparsity.get("format", "dense") != "dense":
        raise RostraError(
            f"{where}: sparsity_config of format {sparsity['format']!r} is not supported"
        )
    if settings.get("transform_config"):
        raise RostraError(f"{where}: transform_config is not supported")
    groups = settings.get("config_groups")
    if not isinstance(groups, dict) or not all(isinstance(g, dict) for g in groups.values()):
        raise RostraError(f"{where}: config_groups: expected objects by name, found {groups!r}")
    blocks = {_block(name, group, where) for name, group in groups.items()} - {None}
    if len(blocks) > 1:
        raise RostraError(f"{where}: config_groups with blocks of several sizes are not supported")
    block = next(iter(blocks), None)
    layers: list[CodedLayer] = []
    for name in checkpoint.names:
        if name.endswith(".weight_packed"):
            layers.append(PackedLayer(checkpoint, name.removesuffix(".weight_packed")))
        elif name.endswith(".weight_scale") and name.removesuffix("_scale") in checkpoint:
            layers.append(PlainLayer(checkpoint, name.removesuffix(".weight_scale"), block=block))
    return QuantisedCheckpoint(checkpoint, layers, _IGNORED)


def open_fp8(
    checkpoint: Checkpoint, settings: Mapping[str, Any], where: str
) -> QuantisedCheckpoint:
    """Raises RostraError, which begins with `where`, for a variant that is not supported."""
    suffix = ".weight_scale_inv"
    block = _pair(settings.get("weight_block_size"), f"{where}: weight_block_size")
    layers = [
        PlainLayer(checkpoint, name.removesuffix(suffix), scale=suffix[1:], block=block)
        for name in checkpoint.names
        if name.endswith(suffix)
    ]
    return QuantisedCheckpoint(checkpoint, layers, _IGNORED)


def _require_format(kind: Any, where: str) -> None:
    if kind not in _FORMATS:
        raise RostraError(
            f"{where}: compressed-tensors format {kind!r} is not supported, only "
            + ", ".join(_FORMATS)
        )


def _block(name: str, group: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    """The group's blocks, where it has such. Raises RostraError for weights not supported."""
    if group.get("format"):
        _require_format(group["format"], where)
    weights = group.get("weights")
    if weights is None:
        return None
    if not isinstance(weights, dict):
        raise RostraError(f"{where}: {name}: weights: expected an object, found {weights!r}")
    kind, bits = weights.get("type", "int"), weights.get("num_bits", 8)
    if (kind, bits) not in (("int", 4), ("int", 8), ("float", 8)):
        raise RostraError(
            f"{where}: {name}: weights of type {kind} with {bits} bits are not supported, "
            f"only {_WORKING}"
        )
    if weights.get("strategy") in ("tensor_group", "attn_head"):
        raise RostraError(f"{where}: {name}: strategy {weights['strategy']!r} is not supported")
    return _pair(weights.get("block_structure"), f"{where}: {name}: block_structure")


def _pair(value: Any, what: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = [int(part) if part.isdecimal() else part for part in value.split("x")]
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(size, int) and size > 0 for size in value)
    ):
        raise RostraError(f"{what}: expected two positive integers, found {value!r}")
    return value[0], value[1]
