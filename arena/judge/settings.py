"""A judge as the operator names it."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rostra.arena.contestant import Sampling
from rostra.arena.judge.errors import JudgeError
from rostra.arena.judge.forms import Form

OURS = frozenset(("model", "messages", "stream", "response_format", "tools", "tool_choice", "n"))


class JudgeSettings(BaseModel):
    """A `[[judge]]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]+$")
    """By which its verdicts are marked."""
    model: str = Field(min_length=1)
    base_url: str | None = Field(default=None, pattern=r"^https?://")
    """With its `/v1`, as OpenAI's clients take it; `None`: the gateway."""
    api_key_env: str | None = None
    """The environment variable that holds the key; `None`: the arena's own at the gateway, and no
    key elsewhere."""
    structured: Form = "json_schema"
    """The form that is tried first; where the server does not take it, those after it are."""
    reason_chars: int | None = Field(default=None, ge=1)
    """The most characters of a reason, by the schema. `None`: no bound, as OpenAI's strict schemas
    know none."""
    sampling: Sampling = Sampling(temperature=0)
    extra: dict[str, Any] = {}
    """Further fields of the request, as `reasoning_effort`."""
    input_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of a million tokens."""
    output_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    timeout: float = Field(default=120.0, gt=0)
    """Seconds for one reply."""

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, url: str | None) -> str | None:
        return None if url is None else url.rstrip("/")

    @field_validator("extra")
    @classmethod
    def _not_ours(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if ours := sorted(OURS & extra.keys()):
            raise ValueError(f"{', '.join(ours)} is set by the judge's run itself")
        return extra

    def key(self) -> str | None:
        """Of `api_key_env`. Raises JudgeError where that is not set."""
        if self.api_key_env is None:
            return None
        if not (key := os.environ.get(self.api_key_env)):
            raise JudgeError(
                f"judge {self.name!r}: the environment variable {self.api_key_env} with its key is "
                "not set"
            )
        return key

    def identity(self) -> dict[str, Any]:
        """What its verdicts depend on: no prices, no key."""
        told = {"input_price", "output_price", "timeout", "api_key_env"}
        return self.model_dump(mode="json", exclude_none=True, exclude=told)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """`None` where its prices are not known."""
        if self.input_price is None or self.output_price is None:
            return None
        million = 1_000_000
        return (prompt_tokens * self.input_price + completion_tokens * self.output_price) / million
