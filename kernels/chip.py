"""What a launch needs to know of the processor it is for."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Literal

import torch
from triton import knobs
from triton.runtime import driver

from rostra.kernels.launch import KernelError

KIB = 1024


@dataclass(frozen=True)
class Chip:
    """A GPU as the launch code sees it."""

    backend: Literal["cuda", "hip"]
    arch: int | str
    """Triton's name: the compute capability times ten (90), or `gfx942`."""
    warp_size: int
    multiprocessors: int
    """Streaming multiprocessors, or compute units."""
    shared_memory: int
    """Bytes one block may use."""

    @property
    def converts_fp8(self) -> bool:
        """Whether Triton converts float8_e4m3fn to and from wider types here."""
        return self.backend == "hip" or int(self.arch) >= 89

    def dot_precision(self, dtype: torch.dtype) -> str | None:
        """How `tl.dot` multiplies: float32 as three tf32 products on NVIDIA, natively on AMD.

        The default for float32 on NVIDIA is a single product, ten bits of mantissa; "ieee" leaves
        the tensor cores and spills. None for other types, which have only one way.
        """
        if dtype != torch.float32:
            return None
        return "tf32x3" if self.backend == "cuda" else "ieee"

    @classmethod
    def of(cls, device: torch.device) -> Chip:
        """The chip behind `device`; reads properties the driver has cached, never the device.

        Raises `KernelError` where Triton cannot compile for the device.
        """
        return _describe(device)


AHEAD_OF_TIME = {
    "sm_80": Chip("cuda", 80, 32, 108, 163 * KIB),
    "sm_90": Chip("cuda", 90, 32, 132, 227 * KIB),
    "sm_100": Chip("cuda", 100, 32, 148, 227 * KIB),
    "gfx942": Chip("hip", "gfx942", 64, 304, 64 * KIB),
}
"""The chips every kernel is compiled for without having one: A100, H100, B200, MI300X.

Shared memory: CUDA C++ Programming Guide, technical specifications per compute capability (maximum
amount per thread block), and the CDNA 3 instruction set reference (local data share).
"""


@functools.cache
def _describe(device: torch.device) -> Chip:
    if device.type == "cuda":
        with torch.cuda.device(device):
            target = driver.active.get_current_target()
            properties = driver.active.utils.get_device_properties(torch.cuda.current_device())
        return Chip(
            target.backend,
            target.arch,
            target.warp_size,
            properties["multiprocessor_count"],
            properties["max_shared_mem"],
        )
    if knobs.runtime.interpret:
        # Few multiprocessors: it takes milliseconds for each program.
        return replace(AHEAD_OF_TIME["sm_90"], multiprocessors=4)
    raise KernelError(
        f"Triton kernels run on CUDA and ROCm devices, not on {device.type}: "
        "use rostra.kernels.reference there"
    )
