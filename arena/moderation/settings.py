"""`[arena.moderation]`: what questions are checked against before they reach anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

RuleName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]


class EndpointSettings(BaseModel):
    """A server that judges texts as OpenAI's `/v1/moderations` does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://")
    """Whole, as in `https://api.openai.com/v1/moderations`."""
    model: str | None = None
    """`None`: what the server takes by itself."""
    api_key_env: str | None = Field(default=None, min_length=1)
    """Name of the environment variable that holds the key."""
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    """By category, the score from which a question is refused, in place of the server's verdict."""
    images: bool = False
    """Whether it judges images too: one request for each, the first with the question."""
    ignore: tuple[str, ...] = ()
    """Categories that refuse nothing."""
    timeout: float = Field(default=5.0, gt=0)
    """Seconds, all in all."""
    unanswered: Literal["refuse", "allow"] = "refuse"
    """What becomes of a question that the server gave no verdict on."""


class ModerationSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    lists: dict[RuleName, Path] = {}
    """Files of words and phrases, by the names under which refusals are counted; see
    `rostra.arena.moderation.lists`."""
    endpoint: EndpointSettings | None = None
