"""`[arena.images]`: what a voter may put to contestants that take images."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ImageSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    most: int = Field(default=4, ge=0, le=16)
    """With one question; 0: none."""
    max_bytes: int = Field(default=5 * 2**20, ge=2**10, le=64 * 2**20)
    """Of one, as the browser sends it."""
    max_pixels: int = Field(default=50_000_000, ge=1, le=200_000_000)
    """Of one; more are refused before they are unpacked."""
    longest_side: int = Field(default=2048, ge=64, le=8192)
    """Pixels; larger ones are made smaller."""
    max_round_bytes: int = Field(default=7 * 2**20, ge=64 * 2**10)
    """Of all of one round as they are stored. Each request holds them all, a third larger in
    base64, which has to be less than the gateway's `max_body_bytes`."""
