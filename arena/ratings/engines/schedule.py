"""How long and how carefully to sample, where the settings leave that to the engine."""

from __future__ import annotations

from dataclasses import dataclass

from rostra.arena.ratings.settings import FitSettings


@dataclass(frozen=True)
class Schedule:
    """Of one run of NUTS."""

    chains: int
    draws: int
    tune: int
    seed: int
    target_accept: float

    @property
    def total(self) -> int:
        """Draws of all chains, tuning included."""
        return self.chains * (self.draws + self.tune)


def schedule(settings: FitSettings, *, whitened: bool) -> Schedule:
    """What `settings` ask for. Where they do not say: 300 draws of tuning and an acceptance rate of
    0.8 in nearly standard normal coordinates, 1,000 and 0.95 where the coordinates are the model's
    own, which may narrow to a funnel where votes are few."""
    tune, target_accept = (300, 0.8) if whitened else (1000, 0.95)
    return Schedule(
        chains=settings.chains,
        draws=settings.draws,
        tune=tune if settings.tune is None else settings.tune,
        seed=settings.seed,
        target_accept=target_accept if settings.target_accept is None else settings.target_accept,
    )
