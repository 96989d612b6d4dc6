"""Settings of the arena."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from rostra.arena.access.settings import AccessSettings
from rostra.arena.admin.settings import AdminSettings
from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.contestant import Contestant
from rostra.arena.images.settings import ImageSettings
from rostra.arena.matchmaking.settings import MatchmakingSettings
from rostra.arena.moderation.settings import ModerationSettings
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.texts import Language
from rostra.arena.votes.log.settings import CheckpointSettings


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
    gateway_ca: Path | None = None
    """Certificates in PEM to trust at an `https` gateway, instead of the system's."""
    gateway_cert: Path | None = None
    """The arena's own, in PEM, for a gateway that asks for one."""
    gateway_cert_key: Path | None = None
    """Its private key."""
    votes_url: str
    """SQLAlchemy URL of the vote store."""
    ratings_dir: Path
    """Where `rostra rate` writes."""
    metrics: str | None = Field(default=None, pattern=r"^(\[[^\]]+\]|[^:\s]+):\d{1,5}$")
    """host:port at which Prometheus reads /metrics; `None`: nowhere."""
    contestants: Annotated[
        tuple[Contestant, ...], Field(min_length=2), AfterValidator(_unique_names)
    ]
    matchmaking: MatchmakingSettings = MatchmakingSettings()
    refresh: RefreshSettings = RefreshSettings()
    moderation: ModerationSettings = ModerationSettings()
    images: ImageSettings = ImageSettings()
    admin: AdminSettings = AdminSettings()
    access: AccessSettings = AccessSettings()
    checkpoints: CheckpointSettings | None = None
    """`None`: the log is signed by `rostra votes checkpoint` alone."""
    campaigns: tuple[CampaignSettings, ...] = ()
    """Beside the one that is described here, or of its name `default` for more about that one."""
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
    drain_grace: float = Field(default=10.0, ge=0)
    """Seconds for which answers go on after SIGTERM, while no new question is taken."""

    @model_validator(mode="after")
    def _contestants_can_meet(self) -> Self:
        self.matchmaking.check({contestant.name for contestant in self.contestants})
        return self

    @model_validator(mode="after")
    def _campaigns_fit(self) -> Self:
        names = [campaign.name for campaign in self.campaigns]
        for campaign in self.campaigns:
            if names.count(campaign.name) > 1:
                raise ValueError(f"two campaigns have the name {campaign.name!r}")
            try:
                campaign.within(self)
            except ValueError as error:
                raise ValueError(f"[[arena.campaign]] {campaign.name!r}: {error}") from None
        return self

    @model_validator(mode="after")
    def _can_identify(self) -> Self:
        if (self.gateway_cert is None) != (self.gateway_cert_key is None):
            raise ValueError("gateway_cert and gateway_cert_key belong together")
        return self

    @field_validator("gateway_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")
