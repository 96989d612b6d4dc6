"""`[arena.admin]`: what the admin page may reach."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class AdminSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Path | None = None
    """Folder of the logos and the sets of questions that campaigns made on the admin page may have.
    `None`: none. They can name no other file of this machine."""
