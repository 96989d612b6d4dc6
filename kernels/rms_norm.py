"""Root-mean-square normalisation, with the addition of the residual that stands before it."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from rostra.kernels.chip import Chip
from rostra.kernels.launch import (
    Launch,
    next_power_of_2,
    require,
    require_floats,
    require_rows,
)


@triton.jit
def rms_norm_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    x_ptr,
    weight_ptr,
    residual_ptr,
    eps,
    out_stride,
    x_stride,
    residual_stride,
    HIDDEN: tl.constexpr,
    BLOCK: tl.constexpr,
    ADD: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    mask = column < HIDDEN
    element = x_ptr.dtype.element_ty
    x = tl.load(x_ptr + row * x_stride + column, mask=mask, other=0.0).to(tl.float32)
    if ADD:
        residual_ptr += row * residual_stride + column
        total = (x + tl.load(residual_ptr, mask=mask, other=0.0).to(tl.float32)).to(element)
        tl.store(residual_ptr, total, mask=mask)
        # What is normalised is what the residual now holds, rounding included.
        x = total.to(tl.float32)
    variance = tl.sum(x * x, 0) / HIDDEN
    weight = tl.load(weight_ptr + column, mask=mask, other=0.0)
    normed = (x * tl.rsqrt(variance + eps)).to(weight.dtype).to(tl.float32)
    scaled = (normed * weight.to(tl.float32)).to(element)
    tl.store(out_ptr + row * out_stride + column, scaled, mask=mask)


def rms_norm_launches(
    x: torch.Tensor,
    weight: torch.Tensor,
    eps: float,
    residual: torch.Tensor | None,
    *,
    out: torch.Tensor,
    chip: Chip,
) -> list[Launch]:
    """What `rms_norm` runs on `chip`."""
    num_rows, hidden = x.shape
    block = next_power_of_2(hidden)
    return [
        Launch(
            kernel=rms_norm_kernel,
            grid=(num_rows, 1, 1),
            arguments={
                "out_ptr": out,
                "x_ptr": x,
                "weight_ptr": weight,
                "residual_ptr": residual,
                "eps": float(eps),
                "out_stride": out.stride(0),
                "x_stride": x.stride(0),
                "residual_stride": 0 if residual is None else residual.stride(0),
            },
            constants={"HIDDEN": hidden, "BLOCK": block, "ADD": residual is not None},
            # A row stays in registers: some sixteen elements for each lane.
            num_warps=max(1, min(16, block // (16 * chip.warp_size))),
        )
    ]


def rms_norm(
    x: torch.Tensor, weight: torch.Tensor, eps: float, residual: torch.Tensor | None = None
) -> torch.Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension (arXiv 1910.07467).

    Computed in float32, rounded to the type of `weight`, then multiplied by it: with one type for
    all that is what LlamaRMSNorm in transformers does, with a weight of float32 Gemma3RMSNorm.

    x: [T, H] float32, bfloat16 or float16. weight: [H] of the same type or float32.
    residual: [T, H]; if given, `x` is added to it in place and the sum is normalised instead.
    Returns a new [T, H]. Raises `KernelError` for shapes, types or devices it does not take.
    """
    name = "rms_norm"
    tensors = {"x": x}
    if residual is not None:
        tensors["residual"] = residual
        require(
            residual.shape == x.shape,
            name,
            f"residual is {tuple(residual.shape)}, x {tuple(x.shape)}",
        )
    require_floats(name, **tensors)
    require(
        weight.dtype in (x.dtype, torch.float32) and weight.device == x.device,
        name,
        f"weight is {weight.dtype} on {weight.device}, x {x.dtype} on {x.device}",
    )
    require_rows(name, "weight", weight)
    require(
        x.dim() == 2 and weight.shape == x.shape[1:],
        name,
        f"x {tuple(x.shape)} and weight {tuple(weight.shape)} are not [T, H] and [H]",
    )
    out = x.new_empty(x.shape)
    for launch in rms_norm_launches(x, weight, eps, residual, out=out, chip=Chip.of(x.device)):
        launch.run(x.device)
    return out
