"""LongRoPE: rotary embeddings stretched by a factor of its own for each wave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.rope_scaling import Scaling, original_positions


@dataclass(frozen=True)
class LongRope(Scaling):
    """The factors come from a search, in two sets (arXiv 2402.13753).

    The long ones hold for all sequences where `max_model_len` is beyond the original length, the
    short ones where it is not. transformers decides by the length of each forward.
    """

    short_factor: tuple[float, ...]
    """One of each pair of rotated dimensions."""
    long_factor: tuple[float, ...]
    original: int
    temperature: float

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        original = original_positions(settings, config)
        factor = settings.positive("factor", config.max_position_embeddings / original)
        stretch = max(math.log(factor), 0.0) / math.log(original)
        return cls(
            _factors(settings, "short_factor", dim // 2),
            _factors(settings, "long_factor", dim // 2),
            original,
            temperature=settings.number("attention_factor", math.sqrt(1 + stretch)),
        )

    @property
    def attention_factor(self) -> float:
        return self.temperature

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        factors = self.long_factor if max_model_len > self.original else self.short_factor
        exponents = torch.arange(0, dim, 2, dtype=torch.int64).float() / dim
        return 1.0 / (torch.tensor(factors, dtype=torch.float32) * theta**exponents)


def _factors(settings: Fields, name: str, count: int) -> tuple[float, ...]:
    given = settings.each(name, count, int | float, "numbers")
    if given is None:
        raise settings.error(name, "is missing")
    if len(settings.raw[name]) > count:
        raise settings.error(name, f"expected {count} numbers, found {len(settings.raw[name])}")
    return tuple(float(factor) for factor in given)
