"""The compiled kernels, loaded into this process."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rostra.mesh.home import Home
from rostra.mesh.ops.native.build import BuildError, build

log = logging.getLogger(__name__)

SWITCH = "ROSTRA_NATIVE"
"""Environment variable: 0 keeps to PyTorch's own operations, as where there is no compiler."""
_OPENMP_NAMES = ("libgomp", "libiomp5", "libomp")
_lock = threading.Lock()

_address = ctypes.c_void_p
_int = ctypes.c_int64
_SIGNATURES: dict[str, Sequence[Any]] = {
    "rostra_rms_norm": (
        *(_int, _int),
        *(_address, _int, _address),
        *(_address, _address),
        *(_int, _int, ctypes.c_float),
    ),
    "rostra_silu_and_mul": (_int, _address, _address, _int, _int),
    "rostra_gelu_and_mul": (_int, _address, _address, _int, _int),
    "rostra_rope_and_cache": (
        *(_int, _address, _int),
        *(_address, _int, _int, _int),
        *(_address, _int, _int, _int),
        *(_address, _int, _int),
        *(_address, _address),
        *(_int, _int, _address, _address, ctypes.c_float),
    ),
    "rostra_paged_attention": (
        *(_int, _address, _int),
        *(_address, _int, _int, _int),
        *(_address, _address, _int),
        *(_address, ctypes.c_float),
        *(_int, ctypes.c_float),
    ),
    "rostra_exp": (_address, _address, _int, _int),
    "rostra_tanh": (_address, _address, _int),
}
"""Arguments in the order of the C functions, which return nothing."""


def library() -> ctypes.CDLL | None:
    """The compiled library, built when it is first asked for; None where it cannot be had.

    The reason for None is logged once, unless the switch is off. All its functions are plain C,
    take addresses as integers, and check nothing: see those that call them.
    """
    with _lock:
        return _library()


@cache
def _library() -> ctypes.CDLL | None:
    if os.environ.get(SWITCH, "1") == "0":
        return None
    try:
        path = build(Path(__file__).parent, Home.locate().cache / "native", openmp_runtime())
        return load(path)
    except (BuildError, OSError) as error:
        log.warning(
            "computing on the CPU is slower than it could be, without compiled kernels: %s; "
            "install a C++ compiler (g++), or name one that works in $CXX",
            error,
        )
        return None


def load(path: Path) -> ctypes.CDLL:
    """Raises OSError for what is no library of this machine."""
    kernels = ctypes.CDLL(str(path))
    for name, arguments in _SIGNATURES.items():
        function = getattr(kernels, name)
        function.argtypes, function.restype = arguments, None
    return kernels


def openmp_runtime() -> Path:
    """The file of the OpenMP runtime that torch has brought into this process.

    Raises BuildError where there is none, or no list of loaded files.
    """
    import torch  # noqa: F401  # loads it

    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BuildError(f"loaded libraries are not listed here: {error}") from None
    for line in maps.splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.is_absolute() and path.name.startswith(_OPENMP_NAMES):
            return path
    raise BuildError("torch has loaded no OpenMP runtime")
