"""How the frequencies of rotary embeddings are stretched to contexts longer than those trained on.

Each kind is a class that reads its own settings; `rotary.py` chooses among them. Kinds with a
length to go by take the `max_model_len` of the engine for it, for every sequence and for as long
as the model is loaded: keys in the cache stay as they were rotated, so what they are rotated by
must not change while a sequence grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from rostra.mesh.models.config import Fields, ModelConfig


@dataclass(frozen=True)
class Scaling:
    """None: the frequencies of RoFormer (arXiv 2104.09864). Other kinds override what differs."""

    @staticmethod
    def rotated(settings: Fields, config: ModelConfig) -> int:
        """Dimensions of each head."""
        return int(config.head_dim * rotated_share(settings, config))

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        """`settings`: the object of config.json about rotary embeddings. `dim`: rotated dimensions.

        Raises RostraError for settings that are missing or make no sense.
        """
        del settings, config, dim
        return cls()

    @property
    def attention_factor(self) -> float:
        """What cosines and sines are multiplied by."""
        return 1.0

    def position_limit(self, trained: int) -> int:
        """Positions that can be computed, of a model whose config.json says `trained`."""
        return trained

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        """Radians per position of each pair of `dim` rotated dimensions, float32 [dim / 2]."""
        del max_model_len
        return inverse_frequencies(theta, dim)


@dataclass(frozen=True)
class Linear(Scaling):
    """Positions are divided by a factor (arXiv 2306.15595)."""

    factor: float

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        del config, dim
        return cls(settings.positive("factor"))

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        return super().frequencies(theta, dim, max_model_len) / self.factor


@dataclass(frozen=True)
class Dynamic(Scaling):
    """A larger base where the context is longer than that trained on (YaRN's "dynamic NTK", arXiv
    2309.00071, appendix B).

    Up to the trained length these are plain tables. A `max_model_len` beyond it, up to `factor`
    times it, stretches them for all sequences as transformers does for one forward of exactly
    that length; shorter ones are then further from what transformers computes for them.
    """

    factor: float
    trained: int

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        del dim
        return cls(settings.positive("factor"), config.max_position_embeddings)

    def position_limit(self, trained: int) -> int:
        return max(trained, int(self.factor * trained))

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        length = max(max_model_len, self.trained)
        stretch = self.factor * length / self.trained - (self.factor - 1)
        return inverse_frequencies(theta * stretch ** (dim / (dim - 2)), dim)


@dataclass(frozen=True)
class Llama3(Scaling):
    """Slow waves are stretched, fast ones kept, those between blended (Llama 3.1's release)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original: int

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        del dim
        return cls(
            settings.positive("factor"),
            settings.positive("low_freq_factor"),
            settings.positive("high_freq_factor"),
            original_positions(settings, config),
        )

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        plain = super().frequencies(theta, dim, max_model_len)
        turns = self.original / (2 * math.pi / plain)
        width = self.high_freq_factor - self.low_freq_factor
        kept = ((turns - self.low_freq_factor) / width).clamp(0.0, 1.0)
        return (1 - kept) * plain / self.factor + kept * plain


@dataclass(frozen=True)
class Proportional(Scaling):
    """Only the fastest waves turn, slower by a factor; the others stand still where they would be
    in a head that is rotated as a whole (Gemma 4)."""

    factor: float
    num_turning: int

    @staticmethod
    def rotated(settings: Fields, config: ModelConfig) -> int:
        del settings
        return config.head_dim

    @classmethod
    def read(cls, settings: Fields, config: ModelConfig, dim: int) -> Self:
        turning = int(rotated_share(settings, config) * dim // 2)
        return cls(settings.positive("factor", 1.0), turning)

    def frequencies(self, theta: float, dim: int, max_model_len: int) -> Tensor:
        plain = super().frequencies(theta, dim, max_model_len)
        plain[self.num_turning :] = 0.0
        return plain / self.factor


def inverse_frequencies(theta: float, dim: int) -> Tensor:
    """theta ** (-2i / dim), float32 [dim / 2]."""
    exponents = torch.arange(0, dim, 2, dtype=torch.int64).float() / dim
    return 1.0 / (theta**exponents)


def original_positions(settings: Fields, config: ModelConfig) -> int:
    """Those trained on before the model was made fit for more; a field of the whole model counts
    before one of the rotary settings."""
    name = "original_max_position_embeddings"
    whole = config.fields.optional_integer(name)
    return whole or settings.optional_integer(name) or config.max_position_embeddings


def rotated_share(settings: Fields, config: ModelConfig) -> float:
    """Of each head's dimensions."""
    name = "partial_rotary_factor"
    of_model = config.fields.number(name, 1.0)
    share = settings.number(name, of_model)
    if not 0.0 < share <= 1.0:
        raise settings.error(name, f"expected a number above 0 and up to 1, found {share!r}")
    return share
