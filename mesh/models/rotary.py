"""Rotary position embeddings (Su et al., arXiv 2104.09864), also stretched to long contexts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rostra.mesh.errors import RostraError

_DEFAULT_THETA = 10_000.0
_SUPPORTED = ("default", "linear", "llama3")


@dataclass(frozen=True)
class RopeConfig:
    """`kind` is "default", "linear" or "llama3"; the factors matter only where it uses them."""

    theta: float = _DEFAULT_THETA
    kind: str = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192

    @classmethod
    def parse(cls, raw: Mapping[str, Any], path: str) -> RopeConfig:
        """From config.json, in either form: `rope_parameters`, or `rope_theta` and `rope_scaling`.

        Raises RostraError, naming `path`, for a kind of scaling not supported or factors missing.
        """
        name = "rope_parameters" if raw.get("rope_parameters") else "rope_scaling"
        given = raw.get(name) or {}
        if not isinstance(given, dict):
            raise RostraError(f"{path}: {name}: expected an object, found {given!r}")
        kind = given.get("rope_type", given.get("type", "default"))
        if kind not in _SUPPORTED:
            raise RostraError(
                f"{path}: {name}: rope type {kind!r} is not supported, only {', '.join(_SUPPORTED)}"
            )
        needed = {
            "default": (),
            "linear": ("factor",),
            "llama3": (
                "factor",
                "low_freq_factor",
                "high_freq_factor",
                "original_max_position_embeddings",
            ),
        }[kind]
        values: dict[str, Any] = {key: given.get(key) for key in needed}
        values["theta"] = given.get("rope_theta") or raw.get("rope_theta") or _DEFAULT_THETA
        for key, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise RostraError(f"{path}: {name}: {key}: expected a number, found {value!r}")
        return cls(kind=kind, **values)

    def inverse_frequencies(self, head_dim: int) -> Tensor:
        """Radians per position, float32 [head_dim / 2]."""
        exponent = torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim
        frequencies = 1.0 / (self.theta**exponent)
        if self.kind == "linear":
            return frequencies / self.factor
        if self.kind == "llama3":
            return self._llama3(frequencies)
        return frequencies

    def _llama3(self, frequencies: Tensor) -> Tensor:
        """Slow waves are stretched, fast ones kept, those between blended (Llama 3.1's release)."""
        wavelengths = 2 * math.pi / frequencies
        turns = self.original_max_position_embeddings / wavelengths
        width = self.high_freq_factor - self.low_freq_factor
        kept = ((turns - self.low_freq_factor) / width).clamp(0.0, 1.0)
        return kept * frequencies + (1 - kept) * frequencies / self.factor


def rotary_tables(
    rope: RopeConfig, head_dim: int, num_positions: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's angles, float32 [num_positions, head_dim / 2]."""
    positions = torch.arange(num_positions, dtype=torch.float32)
    angles = torch.outer(positions, rope.inverse_frequencies(head_dim))
    return angles.cos().to(device), angles.sin().to(device)
