"""What competes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
    images: bool | None = None
    """Whether it takes images; `None`: as the gateway says of its model."""
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
