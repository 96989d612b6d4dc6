"""YaRN: rotary embeddings stretched wave by wave, and attention made sharper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.rope_scaling import (
    Scaling,
    inverse_frequencies,
    original_positions,
)


@dataclass(frozen=True)
class Yarn(Scaling):
    """Waves that turn often within the original context are kept, those that hardly turn once are
    stretched by the factor, and a ramp leads from one to the other (arXiv 2309.00071).

    `max_model_len` may go to `factor` times the original length where config.json names less, as
    those of Qwen do.
    """

    factor: float
    original: int
    beta_fast: float
    """Turns from which on waves are kept."""
    beta_slow: float
    """Turns up to which they are stretched."""
    truncate: bool
    """Whether the ramp begins and ends at whole pairs."""
    temperature: float

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        del dim
        original = original_positions(settings, config)
        factor = settings.positive("factor", config.max_position_embeddings / original)
        mscale = settings.optional_number("mscale")
        mscale_all_dim = settings.optional_number("mscale_all_dim")
        temperature = _mscale(factor, 1.0)
        if mscale and mscale_all_dim:
            temperature = _mscale(factor, mscale) / _mscale(factor, mscale_all_dim)
        return cls(
            factor,
            original,
            beta_fast=settings.positive("beta_fast", 32.0),
            beta_slow=settings.positive("beta_slow", 1.0),
            truncate=settings.flag("truncate", True),
            temperature=settings.number("attention_factor", temperature),
        )

    @property
    def attention_factor(self) -> float:
        return self.temperature

    def position_limit(self, trained: int) -> int:
        return max(trained, int(self.factor * self.original))

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        kept = inverse_frequencies(theta, dim)
        stretched = 1.0 / (self.factor * theta ** (torch.arange(0, dim, 2).float() / dim))
        first, last = (self._pair(turns, theta, dim) for turns in (self.beta_fast, self.beta_slow))
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, dim - 1)
        width = last - first or 0.001
        ramp = ((torch.arange(dim // 2, dtype=torch.float32) - first) / width).clamp(0.0, 1.0)
        share = 1 - ramp
        return stretched * (1 - share) + kept * share

    def _pair(self, turns: float, theta: float, dim: int) -> float:
        """Which of the dimensions turns so often within the original context."""
        wavelength = self.original / turns
        return dim * math.log(wavelength / (2 * math.pi)) / (2 * math.log(theta))


def _mscale(factor: float, mscale: float) -> float:
    return 0.1 * mscale * math.log(factor) + 1.0 if factor > 1.0 else 1.0
