"""One launch of one kernel, decided before it happens.

The same value serves the running program and the ahead-of-time compiler, so that what is compiled
and checked for every chip is what a GPU later runs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from triton.runtime.jit import KernelInterface

FLOAT_TYPES = (torch.float32, torch.bfloat16, torch.float16)


class KernelError(ValueError):
    """Arguments a kernel cannot work on. One line: which function, what, what it needs."""


@dataclass(frozen=True)
class Launch:
    kernel: KernelInterface[Any]
    grid: tuple[int, int, int]
    arguments: dict[str, Any]
    """Tensors and numbers, by the kernel's own names."""
    constants: dict[str, Any]
    """`tl.constexpr` arguments: each distinct set is compiled once."""
    num_warps: int
    num_stages: int = 2
    max_registers: int | None = None
    """Of a lane; NVIDIA only."""

    @property
    def options(self) -> dict[str, Any]:
        """All that is passed to the kernel by keyword."""
        limit = {} if self.max_registers is None else {"maxnreg": self.max_registers}
        return {
            **limit,
            **self.arguments,
            **self.constants,
            "num_warps": self.num_warps,
            "num_stages": self.num_stages,
        }

    @property
    def binary(self) -> tuple[Hashable, ...]:
        """Equal for launches that share one compiled binary on a chip.

        Leaves out what Triton reads off the numbers (ones and multiples of 16).
        """
        types = ((name, getattr(value, "dtype", None)) for name, value in self.arguments.items())
        constants = self.constants.items()
        return (self.kernel, *types, *constants, self.num_warps, self.num_stages)

    def run(self, device: torch.device) -> None:
        """Queue it on the current stream of `device`."""
        if 0 in self.grid:
            return
        with torch.cuda.device(device.index if device.type == "cuda" else -1):
            self.kernel[self.grid](**self.options)


def require(condition: bool, function: str, message: str) -> None:
    """Raise a `KernelError` that names `function` unless `condition` holds."""
    if not condition:
        raise KernelError(f"{function}: {message}")


def require_floats(function: str, **tensors: torch.Tensor) -> None:
    """All tensors on one device, of one float type, with contiguous rows."""
    first_name, first = next(iter(tensors.items()))
    require(
        first.dtype in FLOAT_TYPES,
        function,
        f"{first_name} is {first.dtype}, not float32, bfloat16 or float16",
    )
    for name, tensor in tensors.items():
        require(
            tensor.dtype == first.dtype and tensor.device == first.device,
            function,
            f"{name} is {tensor.dtype} on {tensor.device}, "
            f"{first_name} is {first.dtype} on {first.device}",
        )
        require_rows(function, name, tensor)


def require_indices(function: str, dtype: torch.dtype, **tensors: torch.Tensor) -> None:
    """All tensors of integer type `dtype`, with contiguous rows."""
    for name, tensor in tensors.items():
        require(tensor.dtype == dtype, function, f"{name} is {tensor.dtype}, not {dtype}")
        require_rows(function, name, tensor)


def require_rows(function: str, name: str, tensor: torch.Tensor) -> None:
    """The last dimension of `tensor` is contiguous."""
    # The stride of a dimension of one element, or of none at all, means nothing.
    require(
        tensor.stride(-1) == 1 or tensor.shape[-1] == 1 or tensor.numel() == 0,
        function,
        f"the last dimension of {name} has stride {tensor.stride(-1)}, not 1",
    )


def next_power_of_2(n: int) -> int:
    """The smallest power of two that is at least `n`."""
    return 1 << max(0, n - 1).bit_length()


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)
