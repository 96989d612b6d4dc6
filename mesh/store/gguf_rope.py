"""How a GGUF file says that rotary embeddings are stretched, in the terms of config.json."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel

_ROUNDING = 1e-4
"""Of the factors, which are computed and kept in float32."""
_LLAMA_3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original": 8192}
"""What all models of that kind have; the tensor holds only what comes of them."""


def rope_scaling(model: GgufModel, head_dim: int, theta: float) -> dict[str, Any] | None:
    """`rope_scaling` of config.json; None where nothing is stretched.

    Raises RostraError where the file does not say enough.
    """
    prefix = f"{model.architecture}.rope.scaling"
    long = model.factors("rope_factors_long.weight")
    short = model.factors("rope_factors_short.weight")
    if long is not None or short is not None:
        return _longrope(model, long, short)
    factors = model.factors("rope_freqs.weight")
    if factors is not None:
        return _llama3(model, factors, head_dim, theta)
    kind = model.get(f"{prefix}.type", str)
    if kind in (None, "none"):
        return None
    if kind == "linear":
        return {"rope_type": "linear", "factor": model.require(f"{prefix}.factor", float)}
    if kind == "yarn":
        return _yarn(model, prefix)
    raise RostraError(
        f"{model.path} has rotary embeddings scaled by {kind!r}, which is not supported; "
        "use the model's safetensors instead."
    )


def _yarn(model: GgufModel, prefix: str) -> dict[str, Any]:
    scaling: dict[str, Any] = {
        "rope_type": "yarn",
        "factor": model.require(f"{prefix}.factor", float),
        "original_max_position_embeddings": model.require(f"{prefix}.original_context_length", int),
    }
    for name, key in (
        ("attention_factor", "yarn_attn_factor"),
        ("beta_fast", "yarn_beta_fast"),
        ("beta_slow", "yarn_beta_slow"),
    ):
        value = model.get(f"{prefix}.{key}", float)
        if value is not None:
            scaling[name] = shortest(value)
    if model.get(f"{prefix}.yarn_ext_factor", float) not in (None, 1.0):
        raise RostraError(
            f"{model.path}: {prefix}.yarn_ext_factor has no equivalent in config.json; "
            "use the model's safetensors instead."
        )
    return scaling


def _longrope(
    model: GgufModel, long: np.ndarray | None, short: np.ndarray | None
) -> dict[str, Any]:
    if long is None or short is None:
        raise RostraError(
            f"{model.path} has only one of rope_factors_long.weight and rope_factors_short.weight."
        )
    key = f"{model.architecture}.rope.scaling.original_context_length"
    original = model.require(key, int)
    length = model.require(f"{model.architecture}.context_length", int)
    scaling: dict[str, Any] = {
        "rope_type": "longrope",
        "long_factor": [shortest(float(factor)) for factor in long],
        "short_factor": [shortest(float(factor)) for factor in short],
    }
    stretch = max(1.0, length / original)
    expected = math.sqrt(1 + math.log(stretch) / math.log(original))
    stated = model.get(f"{model.architecture}.rope.scaling.attn_factor", float)
    if stated is not None and abs(stated - expected) > _ROUNDING * expected:
        scaling["attention_factor"] = shortest(stated)
    return scaling


def _llama3(
    model: GgufModel, factors: np.ndarray, head_dim: int, theta: float
) -> dict[str, Any] | None:
    """The settings whose factors these are: each frequency is divided by one of them."""
    if np.all(factors == 1.0):
        return None
    if factors.shape != (head_dim // 2,):
        raise RostraError(
            f"{model.path}: tensor 'rope_freqs.weight' has {factors.size} factors for heads of "
            f"{head_dim} dimensions."
        )
    largest = float(factors.max())
    low, high, original = _LLAMA_3.values()
    turns = original * theta ** (-np.arange(0, head_dim, 2) / head_dim) / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
    expected = 1 / (kept + (1 - kept) / largest)
    if not np.allclose(factors, expected, rtol=_ROUNDING):
        raise RostraError(
            f"{model.path} has rotary embeddings whose factors are not those of Llama 3, and GGUF "
            "does not keep the settings they came from; use the model's safetensors instead."
        )
    return {
        "rope_type": "llama3",
        "factor": shortest(largest),
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original,
    }


def shortest(value: float) -> float:
    """GGUF stores float32: 1e-05 comes back as 9.99999974737875e-06."""
    return float(f"{value:.7g}")
