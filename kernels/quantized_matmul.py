"""Products with weights that are stored in eight bits: int8, or float8 e4m3.

Only the weights are quantised; activations stay as they are. Rounding these to eight bits as well
would let the tensor cores multiply twice as fast, which helps long prompts only, at several times
the error; decoding is bound by the bytes of the weights, which are the same.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    ceil_div,
    next_power_of_2,
    require,
    require_floats,
)
from rostra.kernels.matmul_tile import choose_matmul_tile, choose_splits
from rostra.kernels.quantized_matmul_kernels import (
    add_splits_kernel,
    dequantize_kernel,
    quantized_matmul_kernel,
)

E4M3 = torch.float8_e4m3fn
WEIGHT_TYPES = (torch.int8, E4M3)
EXPAND_ROWS = 256
"""With more rows than this, the weights are widened to memory once and multiplied by cuBLAS.

Widening moves 3 bytes for each weight. If cuBLAS multiplies twice as fast as a kernel that widens
in its inner loop, this pays from 1.5 * (FLOP/s) / (byte/s) rows on: 230 on A100, 440 on H100."""


def can_multiply(dtype: torch.dtype, chip: Chip) -> bool:
    """Whether Triton can widen weights of `dtype` on `chip`."""
    return dtype == torch.int8 or (dtype == E4M3 and chip.converts_fp8)


def quantized_matmul_launches(
    x: torch.Tensor,
    weight: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None,
    *,
    out: torch.Tensor,
    chip: Chip,
    num_splits: int | None = None,
) -> list[Launch]:
    """What `quantized_matmul` runs on `chip` for few rows: one kernel, or two where the depth is
    split.

    `num_splits` overrides the choice of how often it is split.
    """
    num_rows, depth = x.shape
    num_columns = weight.shape[0]
    tile = choose_matmul_tile(num_rows, num_columns, depth, x.element_size(), chip)
    splits, split_depth = choose_splits(tile, num_rows, num_columns, depth, chip)
    if num_splits is not None:
        split_depth = ceil_div(ceil_div(depth, num_splits), tile.block_k) * tile.block_k
        splits = ceil_div(depth, split_depth)
    split = splits > 1
    partial = out
    if split:
        partial = x.new_empty((splits, num_rows, num_columns), dtype=torch.float32)
    multiply = Launch(
        kernel=quantized_matmul_kernel,
        grid=(ceil_div(num_rows, tile.block_m), ceil_div(num_columns, tile.block_n), splits),
        arguments={
            "out_ptr": partial,
            "x_ptr": x,
            "weight_ptr": weight,
            "scale_ptr": scale,
            "bias_ptr": bias,
            "num_rows": num_rows,
            "num_columns": num_columns,
            "depth": depth,
            "split_depth": split_depth,
            "out_stride_split": partial.stride(0) if split else 0,
            "out_stride": partial.stride(-2),
            "x_stride": x.stride(0),
            "weight_stride": weight.stride(0),
        },
        constants={
            "BLOCK_M": tile.block_m,
            "BLOCK_N": tile.block_n,
            "BLOCK_K": tile.block_k,
            "EVEN_K": depth % tile.block_k == 0,
            "SPLIT": split,
            "PRECISION": chip.dot_precision(x.dtype),
        },
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
    )
    if not split:
        return [multiply]
    block = min(1024, next_power_of_2(num_columns))
    add = Launch(
        kernel=add_splits_kernel,
        grid=(num_rows, ceil_div(num_columns, block), 1),
        arguments={
            "out_ptr": out,
            "partial_ptr": partial,
            "scale_ptr": scale,
            "bias_ptr": bias,
            "num_columns": num_columns,
            "num_splits": splits,
            "out_stride": out.stride(0),
            "partial_stride_split": partial.stride(0),
            "partial_stride": partial.stride(1),
        },
        constants={"BLOCK": block},
        num_warps=max(1, block // (4 * chip.warp_size)),
    )
    return [multiply, add]


def dequantize_launches(
    weight: torch.Tensor, scale: torch.Tensor, *, out: torch.Tensor, chip: Chip
) -> list[Launch]:
    """What `dequantize` runs on `chip`."""
    num_rows, depth = weight.shape
    block = min(2048, next_power_of_2(depth))
    return [
        Launch(
            kernel=dequantize_kernel,
            grid=(num_rows, ceil_div(depth, block), 1),
            arguments={
                "out_ptr": out,
                "weight_ptr": weight,
                "scale_ptr": scale,
                "depth": depth,
                "out_stride": out.stride(0),
                "weight_stride": weight.stride(0),
            },
            constants={"BLOCK": block},
            num_warps=max(1, min(4, block // (16 * chip.warp_size))),
        )
    ]


def quantized_matmul(
    x: torch.Tensor,
    weight: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """x @ (scale * weight).T + bias, added up in float32 and rounded once.

    x: [T, K] float32, bfloat16 or float16.
    weight: [N, K] int8 or float8_e4m3fn; the latter needs compute capability 8.9 on NVIDIA.
    scale: [N] float32. bias: [N] of the type of `x`.
    Returns a new [T, N]. With more than EXPAND_ROWS rows the weights are rounded to the type of `x`
    after scaling, and need N * K elements of it for the duration of the call.

    Raises `KernelError` for shapes, types or devices it does not take.
    """
    name = "quantized_matmul"
    given = {"x": x} if bias is None else {"x": x, "bias": bias}
    require_floats(name, **given)
    _check_weight(name, weight, scale)
    require(
        x.dim() == 2 and x.shape[1] == weight.shape[1] and x.device == weight.device,
        name,
        f"x {tuple(x.shape)} on {x.device} does not fit weight {tuple(weight.shape)} on "
        f"{weight.device}",
    )
    require(
        bias is None or bias.shape == weight.shape[:1],
        name,
        f"bias is not ({weight.shape[0]},)",
    )
    if x.shape[0] > EXPAND_ROWS:
        return functional.linear(x, dequantize(weight, scale, x.dtype), bias)
    chip = _chip(name, weight)
    out = x.new_empty(x.shape[0], weight.shape[0])
    for launch in quantized_matmul_launches(x, weight, scale, bias, out=out, chip=chip):
        launch.run(x.device)
    return out


def dequantize(weight: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """scale * weight, [N, K] of `dtype`: float32, bfloat16 or float16. `weight` and `scale` as in
    `quantized_matmul`."""
    name = "dequantize"
    _check_weight(name, weight, scale)
    out = torch.empty(weight.shape, dtype=dtype, device=weight.device)
    require_floats(name, out=out)
    for launch in dequantize_launches(weight, scale, out=out, chip=_chip(name, weight)):
        launch.run(weight.device)
    return out


def _chip(name: str, weight: torch.Tensor) -> Chip:
    chip = Chip.of(weight.device)
    require(
        can_multiply(weight.dtype, chip),
        name,
        f"weight is {weight.dtype}, which Triton cannot widen on {chip.arch}; torch.int8 works",
    )
    return chip


def _check_weight(name: str, weight: torch.Tensor, scale: torch.Tensor) -> None:
    require(
        weight.dtype in WEIGHT_TYPES,
        name,
        f"weight is {weight.dtype}, not torch.int8 or torch.float8_e4m3fn",
    )
    require(
        weight.dim() == 2 and weight.stride(1) == 1,
        name,
        f"weight {tuple(weight.shape)} is not [N, K] with contiguous rows",
    )
    require(
        scale.dtype == torch.float32
        and scale.shape == weight.shape[:1]
        and scale.is_contiguous()
        and scale.device == weight.device,
        name,
        f"scale is {scale.dtype} {tuple(scale.shape)} on {scale.device}, not float32 "
        f"({weight.shape[0]},) on {weight.device}",
    )
