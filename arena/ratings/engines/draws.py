"""What every engine gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Called with the draws made so far, tuning included, and their total."""


@dataclass(frozen=True)
class Draws:
    """Draws from a posterior, and what is known of how good they are."""

    values: Mapping[str, NDArray[np.float64]]
    """By the names of `rostra.arena.ratings.posterior.DIMS`, each [chains, draws, *its dims]."""
    divergences: int = 0
    """Divergent transitions of NUTS after tuning."""
    pareto_k: float | None = None
    """Shape of the tail of the importance weights, where draws were weighted (Vehtari, Simpson,
    Gelman, Yao, Gabry 2024, Pareto smoothed importance sampling)."""
    importance_ess: float | None = None
    """Effective number of weighted draws."""
    notes: tuple[str, ...] = ()
    """Sentences on how the draws were made that a reader of the result should see."""
    libraries: tuple[str, ...] = ("numpy", "scipy")
    """Distributions whose version bears on the draws."""
