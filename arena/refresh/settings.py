"""`[arena.refresh]`: how often votes are rated, and by which model."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from rostra.arena.errors import ArenaError

if TYPE_CHECKING:
    from rostra.arena.ratings.reduce import Wanted
    from rostra.arena.ratings.settings import Anchor, FitSettings
    from rostra.arena.ratings.spec import ModelSpec


class RefreshSettings(BaseModel):
    """The model's settings are the options of `rostra rate`, by the same names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: float = Field(default=300.0, ge=0, allow_inf_nan=False)
    """Seconds from one look at the votes to the next; 0: the arena never rates."""
    min_votes: PositiveInt = 1
    """New votes, so many at least, before they are rated."""
    keep: PositiveInt = 100
    """Results of the refresh that are kept; older ones of its own are deleted."""

    model: Literal["davidson", "rao-kupper", "bradley-terry"] = "davidson"
    side: bool = True
    both_bad: Literal["own", "tie", "out"] = "own"
    by: Literal["language", "code", "maths", "length", "multi_turn", "week"] | None = None
    """Not by category, which the votes of the arena do not tell."""
    drift: Literal["week"] | None = None
    voters: bool = False
    style_control: tuple[str, ...] = ()
    tie_style: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    """Whose votes are rated; none: all."""
    imported: bool = True
    """Whether votes are rated that were not cast here."""
    since: datetime | None = None
    until: datetime | None = None
    anchor: str | None = None
    engine: Literal["laplace", "nuts"] = "laplace"
    chains: int = Field(default=4, ge=2)
    draws: int = Field(default=1000, ge=100)
    tune: int | None = Field(default=None, ge=100)
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        given = [name for name in ("by", "drift", "voters") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are different models; give one of them")
        if self.model == "bradley-terry" and self.tie_style:
            raise ValueError("bradley-terry has no propensity to tie; leave tie_style out")
        if named := (*self.style_control, *self.tie_style):
            # Here, since it takes a library to import that most do without.
            from rostra.arena.ratings.style.covariates import STYLE

            if unknown := sorted(set(named) - set(STYLE)):
                known = ", ".join(STYLE)
                raise ValueError(f"{unknown[0]!r} is no feature of style; there are {known}")
        if self.anchor is not None:
            try:
                self._anchor()
            except ArenaError as error:
                raise ValueError(str(error)) from None
        return self

    def wanted(self) -> Wanted:
        """What the votes have to tell."""
        from rostra.arena.ratings.reduce import Wanted

        _, factor = self._structure()
        return Wanted(
            factors=(factor,) if factor else (),
            style=tuple(dict.fromkeys((*self.style_control, *self.tie_style))),
            since=_utc(self.since),
            until=_utc(self.until),
        )

    def spec(self) -> ModelSpec:
        from rostra.arena.ratings.spec import ModelSpec

        structure, factor = self._structure()
        return ModelSpec(
            ties=self.model,
            side=self.side,
            both_bad=self.both_bad,
            style=self.style_control,
            tie_style=self.tie_style,
            structure=structure,
            factor=factor,
        )

    def fit_settings(self) -> FitSettings:
        from rostra.arena.ratings.settings import FitSettings

        return FitSettings(
            chains=self.chains,
            draws=self.draws,
            tune=self.tune,
            seed=self.seed,
            anchor=self._anchor(),
            engine=self.engine,
        )

    def _structure(
        self,
    ) -> tuple[Literal["overall", "categories", "voters", "drift"], str | None]:
        if self.by:
            return "categories", self.by
        if self.drift:
            return "drift", self.drift
        return ("voters", "voter") if self.voters else ("overall", None)

    def _anchor(self) -> Anchor:
        from rostra.arena.ratings.settings import Anchor

        if self.anchor is None:
            return Anchor()
        name, _, rating = self.anchor.rpartition("=")
        try:
            if not name or not math.isfinite(float(rating)):
                raise ValueError
        except ValueError:
            raise ArenaError(
                f"anchor {self.anchor!r} is not NAME=RATING, as in smollm2-135m=1000"
            ) from None
        return Anchor(float(rating), name)


def _utc(moment: datetime | None) -> datetime | None:
    """Without a zone it is UTC, as for `rostra rate`."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
