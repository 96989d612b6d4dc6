"""The activations of gated feed-forward layers."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch, ceil_div, next_power_of_2, require, require_floats

MAX_BLOCK = 2048


@triton.jit
def activate_and_mul_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    gate_up_ptr,
    out_stride,
    gate_up_stride,
    INTERMEDIATE: tl.constexpr,
    BLOCK: tl.constexpr,
    GELU: tl.constexpr,
):
    """silu of the gate, or gelu, times the rest."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = column < INTERMEDIATE
    gate_ptr = gate_up_ptr + row * gate_up_stride + column
    gate = tl.load(gate_ptr, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(gate_ptr + INTERMEDIATE, mask=mask, other=0.0).to(tl.float32)
    element = out_ptr.dtype.element_ty
    slope = gate
    if GELU:
        # (1 + tanh(u)) / 2 is sigmoid(2 u).
        slope = gate * (1.595769122 + 0.0713548163 * gate * gate)
    activated = (gate * tl.sigmoid(slope)).to(element).to(tl.float32)
    tl.store(out_ptr + row * out_stride + column, (activated * up).to(element), mask=mask)


def silu_and_mul_launches(gate_up: torch.Tensor, *, out: torch.Tensor, chip: Chip) -> list[Launch]:
    """What `silu_and_mul` runs on `chip`."""
    return _launches(gate_up, out, chip, gelu=False)


def gelu_and_mul_launches(gate_up: torch.Tensor, *, out: torch.Tensor, chip: Chip) -> list[Launch]:
    """What `gelu_and_mul` runs on `chip`."""
    return _launches(gate_up, out, chip, gelu=True)


def silu_and_mul(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up, with silu(x) = x sigmoid(x) (SwiGLU, arXiv 2002.05202).

    gate_up: [T, 2 I] float32, bfloat16 or float16; the gate is the first half.
    silu is computed in float32 and rounded to that type before the product, as transformers does.
    Returns a new [T, I]. Raises `KernelError` for shapes, types or devices it does not take.
    """
    return _run("silu_and_mul", gate_up, gelu=False)


def gelu_and_mul(gate_up: torch.Tensor) -> torch.Tensor:
    """gelu(gate) * up (GeGLU, arXiv 2002.05202), with the approximation of arXiv 1606.08415:
    gelu(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    All else as for `silu_and_mul`.
    """
    return _run("gelu_and_mul", gate_up, gelu=True)


def _launches(gate_up: torch.Tensor, out: torch.Tensor, chip: Chip, *, gelu: bool) -> list[Launch]:
    num_rows, intermediate = out.shape
    block = min(MAX_BLOCK, next_power_of_2(intermediate))
    return [
        Launch(
            kernel=activate_and_mul_kernel,
            grid=(num_rows, ceil_div(intermediate, block), 1),
            arguments={
                "out_ptr": out,
                "gate_up_ptr": gate_up,
                "out_stride": out.stride(0),
                "gate_up_stride": gate_up.stride(0),
            },
            constants={"INTERMEDIATE": intermediate, "BLOCK": block, "GELU": gelu},
            num_warps=max(1, min(8, block // (8 * chip.warp_size))),
        )
    ]


def _run(name: str, gate_up: torch.Tensor, *, gelu: bool) -> torch.Tensor:
    require_floats(name, gate_up=gate_up)
    require(
        gate_up.dim() == 2 and gate_up.shape[1] % 2 == 0,
        name,
        f"gate_up is {tuple(gate_up.shape)}, not [T, 2 I]",
    )
    out = gate_up.new_empty(gate_up.shape[0], gate_up.shape[1] // 2)
    for launch in _launches(gate_up, out, Chip.of(gate_up.device), gelu=gelu):
        launch.run(gate_up.device)
    return out
