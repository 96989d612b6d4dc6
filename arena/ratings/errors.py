"""Errors that a person is meant to read."""

from __future__ import annotations

from rostra.arena.errors import ArenaError


class RatingsError(ArenaError):
    """What was asked for cannot be rated, saved or read."""
