"""How much memory there is, and what is said where it is not enough."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from rostra.mesh.engine.device import device_name
from rostra.mesh.errors import RostraError

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_ALLOCATOR_MESSAGES = ("not enough memory", "can't allocate memory", "out of memory")
"""Of a RuntimeError that PyTorch raises in place of a MemoryError."""


def free_bytes(device: torch.device) -> int:
    """What this process can still take on `device`."""
    if device.type == "cpu":
        return free_host_bytes()
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def free_host_bytes() -> int:
    """What the host has available, or less where its container, or one around it, allows less."""
    free = psutil.virtual_memory().available
    for group in _control_groups():
        try:
            limit = (group / "memory.max").read_text(encoding="ascii").strip()
            if limit != "max":
                used = int((group / "memory.current").read_text(encoding="ascii"))
                free = min(free, max(0, int(limit) - used + _reclaimable(group)))
        except (OSError, ValueError):
            continue
    return free


def _control_groups() -> list[Path]:
    """Folders of the control group (version 2) of this process and of all around it."""
    own = _CGROUP
    try:
        for line in _OWN_CGROUP.read_text(encoding="ascii").splitlines():
            if line.startswith("0::/"):
                own = _CGROUP / line.removeprefix("0::/")
    except (OSError, ValueError):
        pass
    return [own, *(group for group in own.parents if group.is_relative_to(_CGROUP))]


def _reclaimable(group: Path) -> int:
    """Pages of files that were read: the system drops them when memory is short."""
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0


def in_gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"


@contextmanager
def told_when_short(what: str, num_bytes: int, device: torch.device, remedy: str) -> Iterator[None]:
    """Turns a failed allocation inside into a RostraError that says what was to take how many
    bytes, and how many were free before."""
    free = free_bytes(device)
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not short and not any(text in str(error).lower() for text in _ALLOCATOR_MESSAGES):
            raise
        raise RostraError(shortage(what, num_bytes, free, device, remedy)) from error


def shortage(what: str, num_bytes: int, free: int, device: torch.device, remedy: str) -> str:
    """One line."""
    return (
        f"{what} needs {in_gib(num_bytes)}, and {device} ({device_name(device)}) has "
        f"{in_gib(free)} free: {remedy}"
    )
