"""What a fit is asked for, and the scale its ratings are told on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rostra.arena.ratings.errors import RatingsError

ELO_PER_NAT = 400 / math.log(10)
"""Elo points in one unit of natural log odds: 400 points are a factor of ten in odds (Elo 1978,
The Rating of Chessplayers, with the logistic curve)."""

Sampler = Literal["auto", "nutpie", "pymc"]
Engine = Literal["nuts", "laplace"]


@dataclass(frozen=True)
class Anchor:
    """Where the Elo scale is fixed: ratings are differences, so one number is a convention.

    With a name, the posterior mean of that contestant's rating is `rating`; without one, the mean
    of the field is. Either way every draw moves by the same amount, so no interval changes: each
    tells the uncertainty against the field's mean.
    """

    rating: float = 1000.0
    name: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.rating):
            raise RatingsError(f"anchor rating {self.rating} is not a finite number")

    def __str__(self) -> str:
        return f"{self.name or 'the mean of the field'} = {self.rating:g}"


@dataclass(frozen=True)
class FitSettings:
    """How to sample. The same counts and settings give the same draws, with the same versions."""

    chains: int = 4
    """At least 2: R-hat compares chains."""
    draws: int = 1000
    """Kept, of each chain."""
    tune: int | None = None
    """Of each chain, before the draws; not kept. None: as many as the model needs, which
    `rostra.arena.ratings.engines.schedule` tells."""
    seed: int = 1
    target_accept: float | None = None
    """Acceptance rate that the step size is adapted to; higher takes smaller steps. None: what
    suits the model, likewise."""
    sampler: Sampler = "auto"
    """`auto`: nutpie where it is installed, PyMC's own NUTS otherwise."""
    anchor: Anchor = Anchor()
    engine: Engine = "nuts"
    """`nuts`: the reference. `laplace`: nested Laplace with importance sampling, in a second; it
    gives way to `nuts` where its diagnostics fail or the model has no such approximation."""

    def __post_init__(self) -> None:
        for name, least in (("chains", 2), ("draws", 100), ("tune", 100), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise RatingsError(f"{name} is {value}; it must be at least {least}")
        if self.target_accept is not None and not 0.5 <= self.target_accept < 1:
            raise RatingsError(f"target_accept is {self.target_accept}; give 0.5 to 1, without 1")
