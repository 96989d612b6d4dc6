"""`[arena.matchmaking]`: who meets whom."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Boost(BaseModel):
    """Two contestants that are to meet more often, or less."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: tuple[str, str]
    factor: Weight
    """Of the weight of the pair; 0: never."""


class MatchmakingSettings(BaseModel):
    """Who meets whom; see `rostra.arena.matchmaking`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Literal["uniform", "weighted", "variance", "informative"] = "uniform"
    paused: tuple[str, ...] = ()
    """Names of contestants that are in no battle for now."""
    weights: dict[str, Weight] = {}
    """By name, 1 where none is given: weighted."""
    boosts: tuple[Boost, ...] = ()
    """weighted"""
    targets: dict[str, PositiveInt] = {}
    """By name, votes to take part in; the weight grows with what is missing: weighted."""
    exploration: float = Field(default=0.1, ge=0, le=1)
    """Share of battles whose pair is drawn from all alike: variance, informative."""

    @model_validator(mode="after")
    def _belongs_to_the_policy(self) -> Self:
        takes = {
            "weighted": {"weights", "boosts", "targets"},
            "variance": {"exploration"},
            "informative": {"exploration"},
        }.get(self.policy, set())
        given = {
            name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        }
        if others := sorted(given - {"policy", "paused"} - takes):
            raise ValueError(f"the policy {self.policy!r} does not take {', '.join(others)}")
        return self

    @model_validator(mode="after")
    def _pairs_of_two(self) -> Self:
        for boost in self.boosts:
            if boost.pair[0] == boost.pair[1]:
                raise ValueError(f"boosts: {boost.pair[0]!r} never meets itself")
        return self

    def check(self, names: set[str]) -> None:
        """Raises ValueError for names that are none of `names`, and where fewer than two are left
        to meet."""
        given = {
            "paused": self.paused,
            "weights": tuple(self.weights),
            "targets": tuple(self.targets),
            "boosts": tuple(name for boost in self.boosts for name in boost.pair),
        }
        for setting, used in given.items():
            if unknown := sorted(set(used) - names):
                raise ValueError(f"matchmaking.{setting}: {unknown[0]!r} is not a contestant")
        playing = {name for name in names - set(self.paused) if self.weights.get(name, 1.0) > 0}
        if len(playing) < 2:
            raise ValueError(
                "matchmaking: paused and weights leave fewer than two contestants: "
                f"{', '.join(sorted(playing)) or 'none'}"
            )
        apart = {frozenset(boost.pair) for boost in self.boosts if boost.factor == 0}
        if (
            len({pair for pair in apart if pair <= playing})
            == len(playing) * (len(playing) - 1) // 2
        ):
            raise ValueError("matchmaking.boosts: no two contestants may meet")
