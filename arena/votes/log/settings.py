"""`[arena.checkpoints]`: signatures under the log, made by the arena itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class CheckpointSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Path
    """Of the signing key, as `rostra votes checkpoint --new-key` makes it."""
    interval: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """Seconds from one look at the log to the next; what has no new entry is not signed again."""
