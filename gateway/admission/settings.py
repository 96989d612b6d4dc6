"""Settings of the queue before the workers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class AdmissionSettings(BaseModel):
    """Durations are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue_size: PositiveInt = 1024
    """Requests of one model that may wait; one more is refused."""
    queue_timeout: PositiveFloat = 60.0
    """The longest that one waits."""
    worker_backlog: int = Field(default=4, ge=0)
    """Requests that may wait at each worker beside those that it can run. What waits there waits in
    order of arrival, and not by shares; none would let workers run dry between two requests."""
