"""Small quantised checkpoints: codes chosen here, packed by the layouts that the formats publish,
beside a plain checkpoint of the weights that they stand for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from model_checkpoints import save_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor

GROUP = 32
SHAPE = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
}
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""The column that each code of an integer belongs to, lowest bits first."""

Made = tuple[dict[str, Tensor], Tensor]
"""The tensors of a layer, by what follows its name, and the weight [out, in] they stand for."""


@dataclass(frozen=True)
class Format:
    settings: dict[str, Any]
    """quantization_config."""
    make: Callable[[int, int, torch.Generator], Made]
    kept_on_cpu: bool


def write_pair(
    folder: Path,
    kind: str,
    save: Callable[[Path], Any] = lambda plain: save_checkpoint(plain, SHAPE),
) -> tuple[Path, Path]:
    """Folders of the quantised model and of the same one in float32, which `save` makes."""
    plain, quantised = folder / "plain", folder / "quantised"
    save(plain)
    shutil.copytree(plain, quantised)
    chosen = FORMATS[kind]
    generator = torch.Generator().manual_seed(3)
    dense = load_file(plain / "model.safetensors")
    coded = dict(dense)
    for name in sorted(dense):
        if "_proj.weight" in name:
            tensors, weight = chosen.make(*dense[name].shape, generator)
            dense[name] = weight.contiguous()
            del coded[name]
            layer = name.removesuffix(".weight")
            coded |= {f"{layer}.{part}": value for part, value in tensors.items()}
    save_file(dense, plain / "model.safetensors")
    save_file(coded, quantised / "model.safetensors")
    config = json.loads((quantised / "config.json").read_text())
    config["quantization_config"] = chosen.settings
    (quantised / "config.json").write_text(json.dumps(config))
    return quantised, plain


def pack_words(codes: Tensor, bits: int) -> Tensor:
    """int64 [n, m] -> int32 [n, m * bits / 32], the first code in the lowest bits."""
    per_word = 32 // bits
    shifts = bits * torch.arange(per_word)
    words = (codes.reshape(codes.shape[0], -1, per_word) << shifts).sum(2)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)


def _codes(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 1 << bits, shape, generator=generator)


def _scales(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Tensor:
    return ((torch.rand(shape, generator=generator) + 0.5) * 0.5 / (1 << bits)).half()


def _spread(values: Tensor) -> Tensor:
    return values.repeat_interleave(GROUP, 0)


def awq(out: int, inner: int, generator: torch.Generator) -> Made:
    codes, zeros = (_codes((n, out), 4, generator) for n in (inner, inner // GROUP))
    scales = _scales((inner // GROUP, out), 4, generator)

    def packed(values: Tensor) -> Tensor:
        return pack_words(values.view(len(values), -1, 8)[:, :, AWQ_ORDER].flatten(1), 4)

    weight = (codes - _spread(zeros)) * _spread(scales.float())
    return {"qweight": packed(codes), "qzeros": packed(zeros), "scales": scales}, weight.T


def gptq(
    out: int,
    inner: int,
    generator: torch.Generator,
    bits: int = 4,
    less_one: bool = True,
    ordered: bool = True,
    symmetric: bool = False,
) -> Made:
    codes, zeros = (_codes((n, out), bits, generator) for n in (inner, inner // GROUP))
    if symmetric:
        zeros = torch.full_like(zeros, 1 << (bits - 1))
    elif less_one:  # a zero of none would be less than none
        zeros = zeros.clamp_min(1)
    scales = _scales((inner // GROUP, out), bits, generator)
    groups = torch.arange(inner) // GROUP
    if not ordered:
        groups = groups[torch.randperm(inner, generator=generator)]
    weight = (codes - zeros[groups]) * scales.float()[groups]
    tensors = {
        "qweight": pack_words(codes.T, bits).T.contiguous(),
        "qzeros": pack_words(zeros - 1 if less_one else zeros, bits),
        "scales": scales,
        "g_idx": groups.to(torch.int32),
    }
    return tensors, weight.T


def packed(out: int, inner: int, generator: torch.Generator, symmetric: bool = True) -> Made:
    codes = _codes((out, inner), 4, generator)
    zeros = _codes((out, inner // GROUP), 4, generator)
    scales = _scales((out, inner // GROUP), 4, generator)
    if symmetric:
        zeros = torch.full_like(zeros, 8)
    weight = (codes - _spread(zeros.T).T) * _spread(scales.float().T).T
    tensors = {
        "weight_packed": pack_words(codes, 4),
        "weight_scale": scales,
        "weight_shape": torch.tensor([out, inner]),
    }
    if not symmetric:
        tensors["weight_zero_point"] = pack_words(zeros.T, 4).T.contiguous()
    return tensors, weight


def int8(out: int, inner: int, generator: torch.Generator) -> Made:
    codes = (_codes((out, inner), 8, generator) - 128).to(torch.int8)
    scales = _scales((out, 1), 8, generator).bfloat16()
    return {"weight": codes, "weight_scale": scales}, codes.float() * scales.float()


def fp8(
    out: int,
    inner: int,
    generator: torch.Generator,
    per: str = "channel",
    name: str = "weight_scale",
) -> Made:
    codes = torch.randn((out, inner), generator=generator).to(torch.float8_e4m3fn)
    shape = {"channel": (out, 1), "tensor": (1,), "block": (-(-out // 48), -(-inner // 40))}[per]
    scales = _scales(shape, 4, generator).float()
    wide = scales
    if per == "block":
        wide = scales.repeat_interleave(48, 0)[:out].repeat_interleave(40, 1)[:, :inner]
    return {"weight": codes, name: scales}, codes.float() * wide


def _compressed(kind: str, **weights: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": {"symmetric": True} | weights}
    return {
        "quant_method": "compressed-tensors",
        "format": kind,
        "config_groups": {"group_0": group},
        "ignore": ["lm_head"],
    }


def _gptq(**settings: Any) -> dict[str, Any]:
    return {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "sym": False} | settings


_PACKED = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": GROUP}
_FP8 = {"num_bits": 8, "type": "float"}

FORMATS: dict[str, Format] = {
    "awq": Format(
        {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True}, awq, True
    ),
    "gptq": Format(_gptq(), gptq, True),
    "gptq v2": Format(
        _gptq(checkpoint_format="gptq_v2"), lambda *a: gptq(*a, less_one=False), True
    ),
    "gptq 8 bits": Format(
        _gptq(bits=8, sym=True), lambda *a: gptq(*a, bits=8, symmetric=True), True
    ),
    "gptq 8 bits asymmetric": Format(_gptq(bits=8), lambda *a: gptq(*a, bits=8), False),
    "gptq act-order": Format(_gptq(desc_act=True), lambda *a: gptq(*a, ordered=False), False),
    "packed": Format(_compressed("pack-quantized", **_PACKED), packed, True),
    "packed asymmetric": Format(
        _compressed("pack-quantized", **(_PACKED | {"symmetric": False})),
        lambda *a: packed(*a, symmetric=False),
        True,
    ),
    "int8": Format(
        _compressed("int-quantized", num_bits=8, type="int", strategy="channel"), int8, True
    ),
    "fp8 channel": Format(_compressed("float-quantized", strategy="channel", **_FP8), fp8, False),
    "fp8 tensor": Format(
        _compressed("float-quantized", strategy="tensor", **_FP8),
        lambda *a: fp8(*a, per="tensor"),
        False,
    ),
    "fp8 block": Format(
        _compressed("float-quantized", strategy="block", block_structure=[48, 40], **_FP8),
        lambda *a: fp8(*a, per="block"),
        False,
    ),
    "fp8 of transformers": Format(
        {"quant_method": "fp8", "weight_block_size": [48, 40], "activation_scheme": "dynamic"},
        lambda *a: fp8(*a, per="block", name="weight_scale_inv"),
        False,
    ),
}
