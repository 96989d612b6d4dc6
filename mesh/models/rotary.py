"""Rotary position embeddings (Su et al., arXiv 2104.09864): what config.json says, and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.longrope import LongRope
from rostra.mesh.models.rope_scaling import (
    Dynamic,
    Linear,
    Llama3,
    Proportional,
    Scaling,
)
from rostra.mesh.models.yarn import Yarn

SCALINGS: dict[str, type[Scaling]] = {
    "default": Scaling,
    "linear": Linear,
    "dynamic": Dynamic,
    "yarn": Yarn,
    "llama3": Llama3,
    "longrope": LongRope,
    "proportional": Proportional,
}
"""By `rope_type`, which older files call `type`."""
DEFAULT_THETA = 10_000.0
UNSCALED = Scaling()


@dataclass(frozen=True)
class RopeConfig:
    theta: float
    """The base: waves of pair i are 2 pi theta ** (2i / dim) positions long."""
    dim: int
    """Rotated dimensions of each head, the first ones."""
    scaling: Scaling = UNSCALED

    @classmethod
    def read(
        cls,
        config: ModelConfig,
        settings: Fields | None = None,
        scalings: Mapping[str, type[Scaling]] = SCALINGS,
    ) -> RopeConfig:
        """From config.json, in either form: `rope_parameters`, or `rope_theta` and `rope_scaling`.

        `settings` is the object that counts where there are several, as there are for layers of
        different kinds; `scalings` what names of them mean to a family. Raises RostraError for a
        scaling that is not supported, and settings that are missing or make no sense.
        """
        fields = config.fields
        if settings is None:
            old = fields.part("rope_scaling")
            settings = old if old.raw else fields.part("rope_parameters")
        for name, value in settings.raw.items():
            if isinstance(value, dict):
                raise settings.error(name, f"{config.architecture} has one table for all layers")
        kind = settings.raw.get("rope_type", settings.raw.get("type", "default"))
        scaling = scalings.get(kind) if isinstance(kind, str) else None
        if scaling is None:
            raise settings.error(
                "rope_type", f"{kind!r} is not supported, only {', '.join(scalings)}"
            )
        dim = scaling.rotated(settings, config)
        if dim < 2 or dim % 2:
            raise settings.error(
                "partial_rotary_factor", f"rotates {dim} dimensions, which do not form pairs"
            )
        theta = settings.positive("rope_theta", fields.number("rope_theta", DEFAULT_THETA))
        try:
            rope = cls(theta, dim, scaling.read(settings, config, dim))
            tables = rotary_tables(rope, 2, torch.device("cpu"))
            finite = all(bool(table.isfinite().all()) for table in tables)
        except (ArithmeticError, ValueError):
            finite = False
        if not finite:
            raise settings.error("rope_type", f"{kind!r} makes no finite tables of these settings")
        return rope


def rotary_tables(
    rope: RopeConfig, max_model_len: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's angles, float32 [max_model_len, dim / 2]."""
    frequencies = rope.scaling.frequencies(rope.theta, rope.dim, max_model_len)
    angles = torch.outer(torch.arange(max_model_len, dtype=torch.float32), frequencies)
    factor = rope.scaling.attention_factor
    return (angles.cos() * factor).to(device), (angles.sin() * factor).to(device)
