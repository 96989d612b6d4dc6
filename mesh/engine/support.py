"""What of an engine's settings the device can do. All else is refused before anything is loaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import choose_dtype, device_name
from rostra.mesh.errors import RostraError

log = logging.getLogger(__name__)

_FP8_ARCHITECTURES = ("gfx94", "gfx95")
_FP8_CAPABILITY = (8, 9)
_BFLOAT16_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Support:
    """Choices of each setting that work."""

    dtypes: Sequence[str]
    quantizations: Sequence[str]
    kv_cache_dtypes: Sequence[str]

    @classmethod
    def of(cls, device: torch.device) -> Support:
        if device.type == "cpu":
            return cls(
                dtypes=("auto", "float32", "bfloat16", "float16"),
                quantizations=("auto", "none", "int8", "int4"),
                kv_cache_dtypes=("auto",),
            )
        fp8 = ("fp8",) if _computes_fp8(device) else ()
        bfloat16 = ("bfloat16",) if _computes_bfloat16(device) else ()
        return cls(
            dtypes=("auto", "float32", *bfloat16, "float16"),
            quantizations=("auto", "none", "int8", *fp8),
            kv_cache_dtypes=("auto", *fp8),
        )


def check_support(config: EngineConfig, device: torch.device) -> torch.dtype:
    """The precision to compute in. Raises RostraError, which lists what works on this device, for
    a setting that does not."""
    support = Support.of(device)
    _require("--dtype", config.dtype, support.dtypes, device)
    _require("--quantization", config.quantization, support.quantizations, device)
    _require("--kv-cache-dtype", config.kv_cache_dtype, support.kv_cache_dtypes, device)
    dtype = choose_dtype(config.dtype, device)
    if device.type == "cpu" and dtype not in (torch.float32, choose_dtype("auto", device)):
        log.warning(
            "%s has no instructions for %s: it works, and is slower than float32",
            device_name(device),
            config.dtype,
        )
    return dtype


def cache_dtype(config: EngineConfig, dtype: torch.dtype) -> torch.dtype:
    """Of keys and values, where the model computes in `dtype`."""
    return torch.float8_e4m3fn if config.kv_cache_dtype == "fp8" else dtype


def _require(flag: str, value: str, working: Sequence[str], device: torch.device) -> None:
    if value not in working:
        raise RostraError(
            f"{flag} {value} is not supported on {device} ({device_name(device)}); "
            f"what works there: {', '.join(working)}"
        )


def _computes_fp8(device: torch.device) -> bool:
    if torch.version.hip:
        name = torch.cuda.get_device_properties(device).gcnArchName
        return name.startswith(_FP8_ARCHITECTURES)
    return torch.cuda.get_device_capability(device) >= _FP8_CAPABILITY


def _computes_bfloat16(device: torch.device) -> bool:
    if torch.version.hip:
        return True
    return torch.cuda.get_device_capability(device) >= _BFLOAT16_CAPABILITY
