"""Settings of the arena."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from rostra.arena.moderation.settings import ModerationSettings
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.texts import Language
from rostra.arena.votes.log.settings import CheckpointSettings


class Sampling(BaseModel):
    """Sampling settings sent with every question; what is `None` is left to the gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=1024, ge=1)
    """Of one answer."""
    seed: int | None = None
    """Fixes the answer: the same question then always gets the same one."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    repetition_penalty: float | None = Field(default=None, gt=0)


class Contestant(BaseModel):
    """What competes: a named configuration of model, adapter, system prompt and sampling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    """Identifier in the vote store and the ratings. Never shown before the vote."""
    label: str = ""
    """Shown after the vote and on the leaderboard. Default: `name`."""
    model: str = Field(min_length=1)
    """The gateway's name of the model."""
    adapter: str | None = None
    """Served under its own name, which is then asked for in place of `model`."""
    system_prompt: str | None = None
    sampling: Sampling = Sampling()
    aliases: tuple[str, ...] = ()
    """Further words that give it away in an answer, for example its maker."""
    licence: str | None = None
    url: str | None = Field(default=None, pattern=r"^https?://")
    organisation: str | None = None
    """Who made it."""
    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of a million output tokens."""

    def model_post_init(self, _context: Any) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    @property
    def served_name(self) -> str:
        return self.adapter or self.model

    def snapshot(self) -> dict[str, Any]:
        """What the store keeps of the configuration an answer was made with."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"aliases"})


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


def _unique_names(contestants: tuple[Contestant, ...]) -> tuple[Contestant, ...]:
    for field in ("name", "label"):
        values = [getattr(contestant, field) for contestant in contestants]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"two contestants share the {field} {', '.join(twice)}")
    return contestants


class ArenaSettings(BaseModel):
    """What the arena needs to know before it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    """0: any free port; `serve` tells which."""
    allowed_origins: tuple[str, ...] = ()
    """Further `host:port` under which browsers reach the page, for example behind a proxy."""
    behind_proxy: bool = False
    """Take the voter's address from `X-Forwarded-For`. Only behind a proxy that sets it."""
    gateway_url: str = Field(default="http://127.0.0.1:8000", pattern=r"^https?://")
    api_key: str | None = None
    votes_url: str
    """SQLAlchemy URL of the vote store."""
    ratings_dir: Path
    """Where `rostra rate` writes."""
    contestants: Annotated[
        tuple[Contestant, ...], Field(min_length=2), AfterValidator(_unique_names)
    ]
    matchmaking: MatchmakingSettings = MatchmakingSettings()
    refresh: RefreshSettings = RefreshSettings()
    moderation: ModerationSettings = ModerationSettings()
    checkpoints: CheckpointSettings | None = None
    """`None`: the log is signed by `rostra votes checkpoint` alone."""
    title: str = "Rostra"
    currency: str = ""
    """Of the contestants' prices, as in `USD`."""
    language: Language | None = None
    """Of the voter's pages, where the voter has not chosen one; `None`: the browser's."""
    prompts_file: Path | None = None
    """Questions to suggest and to draw from at random; see `rostra.arena.prompts`. `None`: a few of
    our own."""
    suggested_prompts: tuple[str, str, str] | None = None
    """Always these, in place of three drawn at random."""
    max_prompt_chars: int = Field(default=8000, ge=1)
    answer_timeout: float = Field(default=300.0, gt=0)
    """Seconds for one answer, from the question to its end."""
    unused_session_lifetime: float = Field(default=15.0, gt=0)
    """Seconds after which a page that lost its browser is forgotten."""
    resume_grace: float = Field(default=120.0, ge=0)
    """Seconds after that for which the answers go on, for a voter who comes back."""

    @model_validator(mode="after")
    def _contestants_can_meet(self) -> Self:
        self.matchmaking.check({contestant.name for contestant in self.contestants})
        return self

    @field_validator("gateway_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")
