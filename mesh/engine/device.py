"""Which device computes, in which precision, and with how many threads."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import psutil
import torch

from rostra.mesh.engine.config import DType
from rostra.mesh.errors import RostraError

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_CGROUP = Path("/sys/fs/cgroup")


def open_device(name: str) -> torch.device:
    """`cpu`, `cuda` or `cuda:N`. Raises RostraError when there is no such device here."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RostraError(
            f"--device {name}: no such kind of device; use cpu, cuda or cuda:N"
        ) from None
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise RostraError(f"--device {name} is not supported; use cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    if count == 0:
        raise RostraError(f"--device {name}: no CUDA device is visible here; use --device cpu")
    index = device.index or 0
    if index >= count:
        raise RostraError(
            f"--device {name}: there are {count} CUDA devices, the last is {count - 1}"
        )
    return torch.device("cuda", index)


def choose_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the device computes it natively, else float32 on a CPU and float16
    on a GPU."""
    if dtype in _DTYPES:
        return _DTYPES[dtype]
    if device.type == "cpu":
        return torch.bfloat16 if _cpu_computes_bfloat16() else torch.float32
    native = torch.cuda.get_device_properties(device).major >= 8 or torch.version.hip
    return torch.bfloat16 if native else torch.float16


def choose_num_threads(num_threads: int | None, num_processes: int = 1) -> int:
    """`num_threads`, else the physical cores this process may use: more would only wait for each
    other. `num_processes` of the host compute together and divide them."""
    if num_threads is not None:
        return num_threads
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    num_cores = min(psutil.cpu_count(logical=False) or 1, usable or 1, _container_cpus())
    return max(1, num_cores // num_processes)


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _container_cpus() -> int:
    """What the container's quota of processor time comes to, at least 1."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return sys.maxsize


def _cpu_computes_bfloat16() -> bool:
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
