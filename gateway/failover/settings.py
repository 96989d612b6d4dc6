"""Settings of failover: the table `[gateway.failover]`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator


class FailoverSettings(BaseModel):
    """When a worker is left alone, and how often a request is tried again. Durations in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    breaker_window: PositiveFloat = 10.0
    """Over which a worker's calls are judged."""
    breaker_min_calls: PositiveInt = 10
    """In the window; fewer say nothing."""
    breaker_ratio: float = Field(default=0.5, gt=0, le=1)
    """Share of these that failed, from which on the worker is left alone."""
    breaker_pause: PositiveFloat = 2.0
    """Until one request is tried there; doubles each time that fails too."""
    breaker_longest_pause: PositiveFloat = 30.0

    retry_ratio: float = Field(default=0.2, ge=0)
    """Further dispatches for each request of a model; with `retry_rate` this bounds what an outage
    adds to the load."""
    retry_rate: float = Field(default=5.0, ge=0)
    """Further dispatches a second, of each model, whatever the number of requests."""
    retry_burst: PositiveFloat = 100.0
    """The most that the two save up."""

    resume: bool = False
    """Whether an answer that breaks off goes on at another worker of the same model revision."""
    hedge_after: PositiveFloat | None = None
    """Without a first token by then a second worker is asked too. Unset: never."""

    @model_validator(mode="after")
    def _pauses_in_order(self) -> Self:
        if self.breaker_longest_pause < self.breaker_pause:
            raise ValueError("breaker_longest_pause is shorter than breaker_pause")
        return self
